//! The stand-in's points service.

use std::sync::Arc;

use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::points_server::Points;
use qdrant_client::qdrant::points_update_operation::Operation;
use qdrant_client::qdrant::{
    self as wire, BatchResult, CountPoints, CountResponse, CountResult, CreateFieldIndexCollection, DeletePoints,
    DenseVector, FieldType, GetPoints, GetResponse, PointStruct, PointsOperationResponse, PointsSelector,
    QueryBatchPoints, QueryBatchResponse, QueryPoints, QueryResponse, ScoredPoint, ScrollPoints, ScrollResponse,
    SearchPoints, SearchResponse, SparseVector, UpdateBatchPoints, UpdateBatchResponse, UpdateResult, UpdateStatus,
    UpsertPoints, payload_index_params, query, vector_input,
};
use qdrant_edge::{
    ConditionalInsertOperation, CountRequest, CreateIndex, FieldIndexOperations, IntegerIndexParams, NamedQuery,
    PayloadFieldSchema, PayloadSchemaParams, PayloadSchemaType, PointInsertOperations, PointOperations, QueryEnum,
    ScrollRequest, SearchRequest, UpdateMode, UpdateOperation, VectorInternal,
};
use tonic::{Request, Response, Status};

use super::Service;
use super::collections::unanswered;
use super::shelf::{Collection, Shelf};
use super::translate::{self, unsupported};

const LIMIT: usize = 10;

const COMPLETED: UpdateResult = UpdateResult { operation_id: None, status: UpdateStatus::Completed as i32 };

fn applied() -> Response<PointsOperationResponse> {
    Response::new(PointsOperationResponse { result: Some(COMPLETED), ..PointsOperationResponse::default() })
}

#[tonic::async_trait]
impl Points for Service {
    async fn upsert(&self, request: Request<UpsertPoints>) -> Result<Response<PointsOperationResponse>, Status> {
        let request = self.admit(request).await?;
        let budget = self.partial();
        let upsert = Upsert { points: request.points, condition: request.update_filter, mode: request.update_mode };
        self.run(move |shelf| {
            let collection = shelf.get(&request.collection_name)?;
            Budget(budget).apply(&collection, Change::Upsert(upsert))
        })
        .await?;
        Ok(applied())
    }

    async fn delete(&self, request: Request<DeletePoints>) -> Result<Response<PointsOperationResponse>, Status> {
        let request = self.admit(request).await?;
        let budget = self.partial();
        self.run(move |shelf| {
            let collection = shelf.get(&request.collection_name)?;
            Budget(budget).apply(&collection, Change::Delete(request.points))
        })
        .await?;
        Ok(applied())
    }

    async fn update_batch(&self, request: Request<UpdateBatchPoints>) -> Result<Response<UpdateBatchResponse>, Status> {
        let request = self.admit(request).await?;
        let mut budget = Budget(self.partial());
        let result = self
            .run(move |shelf| {
                let collection = shelf.get(&request.collection_name)?;
                request
                    .operations
                    .into_iter()
                    .map(|operation| {
                        budget.apply(&collection, change(operation.operation)?)?;
                        Ok(COMPLETED)
                    })
                    .collect::<Result<Vec<_>, Status>>()
            })
            .await?;
        Ok(Response::new(UpdateBatchResponse { result, ..UpdateBatchResponse::default() }))
    }

    async fn create_field_index(
        &self,
        request: Request<CreateFieldIndexCollection>,
    ) -> Result<Response<PointsOperationResponse>, Status> {
        let request = self.admit(request).await?;
        self.run(move |shelf| {
            let create =
                CreateIndex { field_name: translate::path(&request.field_name)?, field_schema: Some(schema(&request)) };
            let operation = UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(create));
            shelf.get(&request.collection_name)?.write(operation, 0)
        })
        .await?;
        Ok(applied())
    }

    async fn get(&self, request: Request<GetPoints>) -> Result<Response<GetResponse>, Status> {
        let request = self.admit(request).await?;
        let records = self
            .run(move |shelf| {
                let ids = translate::ids(request.ids)?;
                let payload = translate::with_payload(request.with_payload, true)?;
                let vectors = translate::with_vectors(request.with_vectors);
                shelf.get(&request.collection_name)?.read(|shard| shard.retrieve(&ids, Some(payload), Some(vectors)))
            })
            .await?;
        let result = records.into_iter().map(translate::retrieved).collect();
        Ok(Response::new(GetResponse { result, ..GetResponse::default() }))
    }

    async fn scroll(&self, request: Request<ScrollPoints>) -> Result<Response<ScrollResponse>, Status> {
        let request = self.admit(request).await?;
        if request.order_by.is_some() {
            return Err(unsupported("an order of a scroll"));
        }
        let (records, next) = self
            .run(move |shelf| {
                let scroll = ScrollRequest {
                    offset: request.offset.map(|id| translate::id(Some(id))).transpose()?,
                    limit: Some(request.limit.map_or(LIMIT, |limit| limit as usize)),
                    filter: request.filter.map(translate::filter).transpose()?,
                    with_payload: Some(translate::with_payload(request.with_payload, true)?),
                    with_vector: translate::with_vectors(request.with_vectors),
                    order_by: None,
                };
                shelf.get(&request.collection_name)?.read(|shard| shard.scroll(scroll))
            })
            .await?;
        Ok(Response::new(ScrollResponse {
            next_page_offset: next.map(translate::wire_id),
            result: records.into_iter().map(translate::retrieved).collect(),
            ..ScrollResponse::default()
        }))
    }

    async fn count(&self, request: Request<CountPoints>) -> Result<Response<CountResponse>, Status> {
        let request = self.admit(request).await?;
        let count = self
            .run(move |shelf| {
                let filter = request.filter.map(translate::filter).transpose()?;
                let count = CountRequest { filter, exact: request.exact.unwrap_or(true) };
                shelf.get(&request.collection_name)?.read(|shard| shard.count(count))
            })
            .await?;
        let result = Some(CountResult { count: count as u64 });
        Ok(Response::new(CountResponse { result, ..CountResponse::default() }))
    }

    async fn query(&self, request: Request<QueryPoints>) -> Result<Response<QueryResponse>, Status> {
        let request = self.admit(request).await?;
        let result = self.run(move |shelf| nearest(shelf, request)).await?;
        Ok(Response::new(QueryResponse { result, ..QueryResponse::default() }))
    }

    async fn query_batch(&self, request: Request<QueryBatchPoints>) -> Result<Response<QueryBatchResponse>, Status> {
        let request = self.admit(request).await?;
        let result = self
            .run(move |shelf| {
                let queries = request.query_points.into_iter();
                queries
                    .map(|query| {
                        let query = QueryPoints { collection_name: request.collection_name.clone(), ..query };
                        nearest(shelf, query).map(|result| BatchResult { result })
                    })
                    .collect::<Result<Vec<_>, Status>>()
            })
            .await?;
        Ok(Response::new(QueryBatchResponse { result, ..QueryBatchResponse::default() }))
    }

    async fn search(&self, request: Request<SearchPoints>) -> Result<Response<SearchResponse>, Status> {
        let request = self.admit(request).await?;
        let input = match request.sparse_indices {
            Some(indices) => {
                vector_input::Variant::Sparse(SparseVector { indices: indices.data, values: request.vector })
            }
            None => vector_input::Variant::Dense(DenseVector { data: request.vector }),
        };
        let input = wire::VectorInput { variant: Some(input) };
        let query = QueryPoints {
            collection_name: request.collection_name,
            query: Some(wire::Query { variant: Some(query::Variant::Nearest(input)) }),
            using: request.vector_name,
            filter: request.filter,
            score_threshold: request.score_threshold,
            limit: Some(request.limit),
            offset: request.offset,
            with_payload: request.with_payload,
            with_vectors: request.with_vectors,
            ..QueryPoints::default()
        };
        let result = self.run(move |shelf| nearest(shelf, query)).await?;
        Ok(Response::new(SearchResponse { result, ..SearchResponse::default() }))
    }

    unanswered! {
        update_vectors(UpdatePointVectors) -> PointsOperationResponse,
        delete_vectors(DeletePointVectors) -> PointsOperationResponse,
        set_payload(SetPayloadPoints) -> PointsOperationResponse,
        overwrite_payload(SetPayloadPoints) -> PointsOperationResponse,
        delete_payload(DeletePayloadPoints) -> PointsOperationResponse,
        clear_payload(ClearPayloadPoints) -> PointsOperationResponse,
        delete_field_index(DeleteFieldIndexCollection) -> PointsOperationResponse,
        create_vector_name(CreateVectorNameRequest) -> PointsOperationResponse,
        delete_vector_name(DeleteVectorNameRequest) -> PointsOperationResponse,
        search_batch(SearchBatchPoints) -> SearchBatchResponse,
        search_groups(SearchPointGroups) -> SearchGroupsResponse,
        recommend(RecommendPoints) -> RecommendResponse,
        recommend_batch(RecommendBatchPoints) -> RecommendBatchResponse,
        recommend_groups(RecommendPointGroups) -> RecommendGroupsResponse,
        discover(DiscoverPoints) -> DiscoverResponse,
        discover_batch(DiscoverBatchPoints) -> DiscoverBatchResponse,
        query_groups(QueryPointGroups) -> QueryGroupsResponse,
        facet(FacetCounts) -> FacetResponse,
        search_matrix_pairs(SearchMatrixPoints) -> SearchMatrixPairsResponse,
        search_matrix_offsets(SearchMatrixPoints) -> SearchMatrixOffsetsResponse,
    }
}

struct Upsert {
    points: Vec<PointStruct>,
    condition: Option<wire::Filter>,
    mode: Option<i32>,
}

enum Change {
    Upsert(Upsert),
    Delete(Option<PointsSelector>),
}

fn change(operation: Option<Operation>) -> Result<Change, Status> {
    match operation {
        Some(Operation::Upsert(list)) => {
            Ok(Change::Upsert(Upsert { points: list.points, condition: list.update_filter, mode: list.update_mode }))
        }
        Some(Operation::DeletePoints(delete)) => Ok(Change::Delete(delete.points)),
        _ => Err(unsupported("this operation of a batch")),
    }
}

/// How many points may still be changed before the write fails.
struct Budget(Option<usize>);

impl Budget {
    fn apply(&mut self, collection: &Arc<Collection>, change: Change) -> Result<(), Status> {
        match change {
            Change::Upsert(mut upsert) => {
                let whole = self.0.is_none_or(|left| left >= upsert.points.len());
                if let Some(left) = &mut self.0 {
                    upsert.points.truncate(*left);
                    *left -= upsert.points.len();
                }
                if !upsert.points.is_empty() {
                    write_upsert(collection, upsert)?;
                }
                if whole { Ok(()) } else { Err(Status::unavailable("part of the write was applied")) }
            }
            Change::Delete(_) if self.0 == Some(0) => Err(Status::unavailable("part of the write was applied")),
            Change::Delete(selector) => write_delete(collection, selector),
        }
    }
}

fn write_upsert(collection: &Arc<Collection>, upsert: Upsert) -> Result<(), Status> {
    let changes = upsert.points.len();
    let points = upsert.points.into_iter().map(translate::point).collect::<Result<Vec<_>, _>>()?;
    let points_op = PointInsertOperations::PointsList(points);
    let mode = match upsert.mode.map(wire::UpdateMode::try_from) {
        None => None,
        Some(Ok(wire::UpdateMode::Upsert)) => Some(UpdateMode::Upsert),
        Some(Ok(wire::UpdateMode::InsertOnly)) => Some(UpdateMode::InsertOnly),
        Some(Ok(wire::UpdateMode::UpdateOnly)) => Some(UpdateMode::UpdateOnly),
        Some(Err(_)) => return Err(unsupported("this mode of an upsert")),
    };
    let operation = match (upsert.condition, mode) {
        (None, None) => PointOperations::UpsertPoints(points_op),
        (condition, update_mode) => {
            let condition = translate::filter(condition.unwrap_or_default())?;
            PointOperations::UpsertPointsConditional(ConditionalInsertOperation { points_op, condition, update_mode })
        }
    };
    collection.write(UpdateOperation::PointOperation(operation), changes)
}

fn write_delete(collection: &Arc<Collection>, selector: Option<PointsSelector>) -> Result<(), Status> {
    let (operation, changes) = match selector.and_then(|selector| selector.points_selector_one_of) {
        Some(PointsSelectorOneOf::Points(list)) => {
            let ids = translate::ids(list.ids)?;
            let changes = ids.len();
            (PointOperations::DeletePoints { ids }, changes)
        }
        Some(PointsSelectorOneOf::Filter(filter)) => {
            (PointOperations::DeletePointsByFilter(translate::filter(filter)?), 1)
        }
        None => return Err(Status::invalid_argument("Wrong input: no points are selected")),
    };
    collection.write(UpdateOperation::PointOperation(operation), changes)
}

fn nearest(shelf: &Shelf, request: QueryPoints) -> Result<Vec<ScoredPoint>, Status> {
    if !request.prefetch.is_empty() {
        return Err(unsupported("a prefetch"));
    }
    let Some(query::Variant::Nearest(input)) = request.query.and_then(|query| query.variant) else {
        return Err(unsupported("this query"));
    };
    let query = match input.variant {
        Some(vector_input::Variant::Dense(DenseVector { data })) => VectorInternal::Dense(data),
        Some(vector_input::Variant::Sparse(SparseVector { indices, values })) => {
            VectorInternal::Sparse(qdrant_edge::SparseVector { indices, values })
        }
        Some(_) | None => return Err(unsupported("this vector of a query")),
    };
    let search = SearchRequest {
        query: QueryEnum::Nearest(NamedQuery { query, using: request.using }),
        filter: request.filter.map(translate::filter).transpose()?,
        params: request.params.map(translate::search_params),
        limit: request.limit.map_or(LIMIT, |limit| limit as usize),
        offset: request.offset.unwrap_or_default() as usize,
        with_payload: Some(translate::with_payload(request.with_payload, false)?),
        with_vector: Some(translate::with_vectors(request.with_vectors)),
        score_threshold: request.score_threshold,
    };
    let points = shelf.get(&request.collection_name)?.read(|shard| shard.search(search))?;
    Ok(points.into_iter().map(translate::scored).collect())
}

fn schema(request: &CreateFieldIndexCollection) -> PayloadFieldSchema {
    let params = request.field_index_params.clone().and_then(|params| params.index_params);
    if let Some(payload_index_params::IndexParams::IntegerIndexParams(params)) = params {
        let params = IntegerIndexParams { lookup: params.lookup, range: params.range, ..IntegerIndexParams::default() };
        return PayloadFieldSchema::FieldParams(PayloadSchemaParams::Integer(params));
    }
    PayloadFieldSchema::FieldType(match request.field_type() {
        FieldType::Keyword => PayloadSchemaType::Keyword,
        FieldType::Integer => PayloadSchemaType::Integer,
        FieldType::Float => PayloadSchemaType::Float,
        FieldType::Geo => PayloadSchemaType::Geo,
        FieldType::Text => PayloadSchemaType::Text,
        FieldType::Bool => PayloadSchemaType::Bool,
        FieldType::Datetime => PayloadSchemaType::Datetime,
        FieldType::Uuid => PayloadSchemaType::Uuid,
    })
}
