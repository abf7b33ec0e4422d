//! The memory as tools and resources of the Model Context Protocol, for agents.
//!
//! One [`Server`] serves both doors: `/mcp` of the API (`http/mcp`) and `soma mcp` on standard input and
//! output (`cli/mcp`). It knows neither of them: what it does it asks of [`Routes`], which are the routes of
//! the HTTP API, so a tool means what its route means, with the same rights, bounds and errors. It keeps
//! nothing but the positions of writes that the stores have yet to show ([`session::Seen`]).

mod catalog;
mod resources;
pub(crate) mod session;
pub(crate) mod shown;
mod tools;

#[cfg(test)]
mod tests;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::Value;
use soma_core::Error;

use crate::http::problem;
pub(crate) use session::{Call, Routes, Seen, Session};

/// The memory, as agents see it.
#[derive(Clone)]
pub(crate) struct Server {
    session: Session,
}

impl Server {
    /// A server whose tools ask these routes.
    pub(crate) const fn new(session: Session) -> Self {
        Self { session }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().build();
        let own = Implementation::new("soma", env!("CARGO_PKG_VERSION"))
            .with_title("SomaFractalMemory")
            .with_description("a durable memory for agents");
        let instructions = catalog::instructions(self.session.namespace.as_deref());
        ServerConfig::new(capabilities).with_server_info(own).with_instructions(instructions)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(catalog::tools()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        catalog::tools().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let Some(outcome) = tools::call(&self.session, &request.name, arguments).await else {
            return Err(ErrorData::invalid_params(format!("there is no tool {:?}", request.name), None));
        };
        Ok(match outcome {
            Ok(answer) => {
                let mut result = CallToolResult::structured(answer.structured);
                result.content = vec![ContentBlock::text(answer.text)];
                result
            }
            Err(error) => failed(&error),
        }
        .into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        resources::list(&self.session, request.and_then(|page| page.cursor)).await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(vec![resources::template()]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(&self.session, &request.uri).await.map(Into::into)
    }
}

/// A failure as the model reads it: what happened, and what to do. The code and its company stand in `_meta`,
/// because structured content has to have the shape of a success.
fn failed(error: &Error) -> CallToolResult {
    let remedy = error.remedy.as_ref().map(|remedy| format!("\nWhat to do: {remedy}.")).unwrap_or_default();
    let text = format!("{}: {}{remedy}", error.code, error.message);
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.meta = Some(meta(error));
    result
}

fn meta(error: &Error) -> MetaObject {
    let mut meta = MetaObject::default();
    meta.0.insert("soma/error".into(), Value::Object(problem::members(error)));
    meta
}
