//! The stand-in's collections service.

use std::collections::HashMap;

use qdrant_client::qdrant::collections_server::Collections;
use qdrant_client::qdrant::{
    self as wire, CollectionConfig, CollectionDescription, CollectionExists, CollectionExistsRequest,
    CollectionExistsResponse, CollectionInfo, CollectionOperationResponse, CollectionParams, CollectionStatus,
    CreateCollection, DeleteCollection, GetCollectionInfoRequest, GetCollectionInfoResponse, ListCollectionsRequest,
    ListCollectionsResponse, OptimizerStatus, PayloadSchemaInfo, UpdateCollection,
};
use qdrant_edge::PayloadSchemaType;
use tonic::{Request, Response, Status};

use super::Service;
use super::shelf::Collection;
use super::translate::{self, unsupported};

const DONE: CollectionOperationResponse = CollectionOperationResponse { result: true, time: 0.0 };

/// Calls that the stand-in does not answer, in the form that the generated trait asks for.
macro_rules! unanswered {
    ($($name:ident($request:ident) -> $response:ident),+ $(,)?) => { $(
        fn $name<'life, 'future>(
            &'life self,
            _: tonic::Request<qdrant_client::qdrant::$request>,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<
            tonic::Response<qdrant_client::qdrant::$response>, tonic::Status,
        >> + Send + 'future>>
        where
            'life: 'future,
            Self: 'future,
        {
            Box::pin(async { Err($crate::qdrant::translate::unsupported(stringify!($name))) })
        }
    )+ };
}
pub(super) use unanswered;

#[tonic::async_trait]
impl Collections for Service {
    async fn get(
        &self,
        request: Request<GetCollectionInfoRequest>,
    ) -> Result<Response<GetCollectionInfoResponse>, Status> {
        let name = self.admit(request).await?.collection_name;
        let info = self.run(move |shelf| info(&*shelf.get(&name)?)).await?;
        Ok(Response::new(GetCollectionInfoResponse { result: Some(info), time: 0.0 }))
    }

    async fn list(
        &self,
        request: Request<ListCollectionsRequest>,
    ) -> Result<Response<ListCollectionsResponse>, Status> {
        self.admit(request).await?;
        let names = self.0.shelf.names().into_iter();
        let collections = names.map(|name| CollectionDescription { name }).collect();
        Ok(Response::new(ListCollectionsResponse { collections, time: 0.0 }))
    }

    async fn create(
        &self,
        request: Request<CreateCollection>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        let made = self.admit(request).await?;
        self.run(move |shelf| shelf.create(made)).await?;
        Ok(Response::new(DONE))
    }

    async fn update(
        &self,
        request: Request<UpdateCollection>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        let update = self.admit(request).await?;
        if update.sparse_vectors_config.is_some() {
            return Err(unsupported("changes of sparse vectors"));
        }
        self.run(move |shelf| {
            shelf.get(&update.collection_name)?.update(|made| {
                if let Some(vectors) = update.vectors_config {
                    translate::change_vectors(made, vectors)?;
                }
                made.metadata.extend(update.metadata);
                Ok(())
            })
        })
        .await?;
        Ok(Response::new(DONE))
    }

    async fn delete(
        &self,
        request: Request<DeleteCollection>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        let name = self.admit(request).await?.collection_name;
        let result = self.run(move |shelf| Ok(shelf.delete(&name))).await?;
        Ok(Response::new(CollectionOperationResponse { result, time: 0.0 }))
    }

    async fn collection_exists(
        &self,
        request: Request<CollectionExistsRequest>,
    ) -> Result<Response<CollectionExistsResponse>, Status> {
        let name = self.admit(request).await?.collection_name;
        let exists = self.0.shelf.names().contains(&name);
        Ok(Response::new(CollectionExistsResponse { result: Some(CollectionExists { exists }), time: 0.0 }))
    }

    unanswered! {
        update_aliases(ChangeAliases) -> CollectionOperationResponse,
        list_collection_aliases(ListCollectionAliasesRequest) -> ListAliasesResponse,
        list_aliases(ListAliasesRequest) -> ListAliasesResponse,
        collection_cluster_info(CollectionClusterInfoRequest) -> CollectionClusterInfoResponse,
        update_collection_cluster_setup(UpdateCollectionClusterSetupRequest) -> UpdateCollectionClusterSetupResponse,
        create_shard_key(CreateShardKeyRequest) -> CreateShardKeyResponse,
        delete_shard_key(DeleteShardKeyRequest) -> DeleteShardKeyResponse,
        list_shard_keys(ListShardKeysRequest) -> ListShardKeysResponse,
    }
}

fn info(collection: &Collection) -> Result<CollectionInfo, Status> {
    let shard = collection.read(|shard| Ok(shard.info()))?;
    let made = collection.made();
    let params = CollectionParams {
        shard_number: 1,
        vectors_config: made.vectors_config,
        sparse_vectors_config: made.sparse_vectors_config,
        replication_factor: Some(1),
        write_consistency_factor: Some(1),
        ..CollectionParams::default()
    };
    let schema: HashMap<String, PayloadSchemaInfo> = shard
        .payload_schema
        .into_iter()
        .map(|(path, index)| {
            let data_type = schema_type(index.data_type).into();
            (path.to_string(), PayloadSchemaInfo { data_type, params: None, points: Some(index.points as u64) })
        })
        .collect();
    Ok(CollectionInfo {
        status: CollectionStatus::Green.into(),
        optimizer_status: Some(OptimizerStatus { ok: true, error: String::new() }),
        segments_count: shard.segments_count as u64,
        config: Some(CollectionConfig { params: Some(params), metadata: made.metadata, ..CollectionConfig::default() }),
        payload_schema: schema,
        points_count: Some(shard.points_count as u64),
        indexed_vectors_count: Some(shard.indexed_vectors_count as u64),
        ..CollectionInfo::default()
    })
}

fn schema_type(of: PayloadSchemaType) -> wire::PayloadSchemaType {
    match of {
        PayloadSchemaType::Keyword => wire::PayloadSchemaType::Keyword,
        PayloadSchemaType::Integer => wire::PayloadSchemaType::Integer,
        PayloadSchemaType::Float => wire::PayloadSchemaType::Float,
        PayloadSchemaType::Geo => wire::PayloadSchemaType::Geo,
        PayloadSchemaType::Text => wire::PayloadSchemaType::Text,
        PayloadSchemaType::Bool => wire::PayloadSchemaType::Bool,
        PayloadSchemaType::Datetime => wire::PayloadSchemaType::Datetime,
        PayloadSchemaType::Uuid => wire::PayloadSchemaType::Uuid,
    }
}
