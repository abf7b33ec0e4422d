//! Between the words of the wire and the types of qdrant-edge.
//!
//! Filters go by way of the server's JSON form, which the library reads itself.

use std::collections::HashMap;

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    self as wire, CreateCollection, DenseVector, NamedVectorsOutput, PointStruct, RetrievedPoint, ScoredPoint,
    SparseVector, VectorOutput, VectorsOutput, quantization_config, quantization_config_diff, vector, vector_output,
    vectors, vectors_config_diff, vectors_output, with_payload_selector as payload_selector,
    with_vectors_selector as vectors_selector,
};
use qdrant_edge::{
    Distance, EdgeSparseVectorParams, EdgeVectorParams, EdgeVectorParamsBuilder, Filter, JsonPath, Modifier, Payload,
    PayloadSelector, PayloadSelectorExclude, PointId, PointStructPersisted, QuantizationConfig,
    QuantizationSearchParams, Record, ScalarQuantizationConfig, ScalarType, SearchParams, VectorInternal,
    VectorPersisted, VectorStructInternal, VectorStructPersisted, WithPayloadInterface, WithVector,
};
use serde_json::{Map, Value, json};
use soma_core::ids::Timestamp;
use tonic::Status;
use uuid::Uuid;

/// What the stand-in does not do.
pub(super) fn unsupported(what: &str) -> Status {
    Status::unimplemented(format!("the stand-in does not know {what}"))
}

fn wrong(what: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("Wrong input: {what}"))
}

pub(super) fn dense_vectors(made: &CreateCollection) -> Result<Vec<(String, EdgeVectorParams)>, Status> {
    let vectors = match made.vectors_config.as_ref().and_then(|config| config.config.as_ref()) {
        None => Vec::new(),
        Some(Config::Params(params)) => vec![(String::new(), params)],
        Some(Config::ParamsMap(map)) => map.map.iter().map(|(name, params)| (name.clone(), params)).collect(),
    };
    let params = |params: &wire::VectorParams| {
        let distance = match params.distance() {
            wire::Distance::Cosine => Distance::Cosine,
            wire::Distance::Euclid => Distance::Euclid,
            wire::Distance::Dot => Distance::Dot,
            wire::Distance::Manhattan => Distance::Manhattan,
            wire::Distance::UnknownDistance => return Err(wrong("a vector without a distance")),
        };
        let size = usize::try_from(params.size).map_err(wrong)?;
        let built = EdgeVectorParams::builder(size, distance).on_disk(true);
        let coarse = params.quantization_config.as_ref().map(coarse).transpose()?;
        Ok(coarse.into_iter().fold(built, EdgeVectorParamsBuilder::quantization_config).build())
    };
    vectors.into_iter().map(|(name, of)| Ok((name, params(of)?))).collect()
}

fn coarse(config: &wire::QuantizationConfig) -> Result<QuantizationConfig, Status> {
    let Some(quantization_config::Quantization::Scalar(scalar)) = config.quantization else {
        return Err(unsupported("this quantization"));
    };
    Ok(ScalarQuantizationConfig { r#type: ScalarType::Int8, quantile: scalar.quantile, always_ram: Some(false) }.into())
}

/// Writes a change of vectors into the description of their collection.
pub(super) fn change_vectors(made: &mut CreateCollection, change: wire::VectorsConfigDiff) -> Result<(), Status> {
    let vectors = made.vectors_config.as_mut().and_then(|vectors| vectors.config.as_mut());
    let (Some(Config::ParamsMap(vectors)), Some(vectors_config_diff::Config::ParamsMap(changes))) =
        (vectors, change.config)
    else {
        return Err(unsupported("this change of vectors"));
    };
    for (name, change) in changes.map {
        let vector = vectors.map.get_mut(&name).ok_or_else(|| wrong(format!("there is no vector {name}")))?;
        let quantization = change.quantization_config.and_then(|config| config.quantization);
        let Some(quantization_config_diff::Quantization::Scalar(scalar)) = quantization else {
            return Err(unsupported("this change of a vector"));
        };
        let quantization = Some(quantization_config::Quantization::Scalar(scalar));
        vector.quantization_config = Some(wire::QuantizationConfig { quantization });
    }
    Ok(())
}

/// How to search. There is no graph.
pub(super) fn search_params(params: wire::SearchParams) -> SearchParams {
    let quantization = params.quantization.map(|asked| QuantizationSearchParams {
        ignore: asked.ignore.unwrap_or(false),
        rescore: asked.rescore,
        oversampling: asked.oversampling,
    });
    SearchParams { exact: params.exact.unwrap_or(false), quantization, ..SearchParams::default() }
}

pub(super) fn sparse_vectors(made: &CreateCollection) -> Vec<(String, EdgeSparseVectorParams)> {
    let vectors = made.sparse_vectors_config.iter().flat_map(|config| &config.map);
    let params = |params: &wire::SparseVectorParams| {
        let modifier = match params.modifier() {
            wire::Modifier::None => Modifier::None,
            wire::Modifier::Idf => Modifier::Idf,
        };
        EdgeSparseVectorParams::builder().modifier(modifier).on_disk(true).build()
    };
    vectors.map(|(name, of)| (name.clone(), params(of))).collect()
}

pub(super) fn id(id: Option<wire::PointId>) -> Result<PointId, Status> {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Num(n)) => Ok(PointId::NumId(n)),
        Some(PointIdOptions::Uuid(text)) => Uuid::parse_str(&text).map(PointId::Uuid).map_err(wrong),
        None => Err(wrong("a point without an id")),
    }
}

pub(super) fn ids(ids: Vec<wire::PointId>) -> Result<Vec<PointId>, Status> {
    ids.into_iter().map(|one| id(Some(one))).collect()
}

pub(super) fn wire_id(id: PointId) -> wire::PointId {
    match id {
        PointId::NumId(n) => n.into(),
        PointId::Uuid(id) => id.as_hyphenated().to_string().into(),
    }
}

pub(super) fn path(text: &str) -> Result<JsonPath, Status> {
    text.parse().map_err(|()| wrong(format!("{text:?} is not a path")))
}

pub(super) fn point(point: PointStruct) -> Result<PointStructPersisted, Status> {
    let vector = match point.vectors.and_then(|vectors| vectors.vectors_options) {
        None => return Err(wrong("a point without vectors")),
        Some(vectors::VectorsOptions::Vector(one)) => match vector(one)? {
            VectorPersisted::Dense(numbers) => VectorStructPersisted::Single(numbers),
            VectorPersisted::Sparse(_) | VectorPersisted::MultiDense(_) => {
                return Err(wrong("a sparse vector without a name"));
            }
        },
        Some(vectors::VectorsOptions::Vectors(named)) => {
            let named = named.vectors.into_iter().map(|(name, one)| Ok((name, vector(one)?)));
            VectorStructPersisted::Named(named.collect::<Result<_, Status>>()?)
        }
    };
    Ok(PointStructPersisted { id: id(point.id)?, vector, payload: Some(Payload(json_of(point.payload)?)) })
}

#[expect(deprecated, reason = "clients before 1.16 send vectors in these fields")]
fn vector(vector: wire::Vector) -> Result<VectorPersisted, Status> {
    let sparse = |indices, values| VectorPersisted::Sparse(qdrant_edge::SparseVector { indices, values });
    match (vector.vector, vector.indices) {
        (Some(vector::Vector::Dense(DenseVector { data })), _) => Ok(VectorPersisted::Dense(data)),
        (Some(vector::Vector::Sparse(SparseVector { indices, values })), _) => Ok(sparse(indices, values)),
        (None, Some(indices)) => Ok(sparse(indices.data, vector.data)),
        (None, None) => Ok(VectorPersisted::Dense(vector.data)),
        (Some(_), _) => Err(unsupported("this kind of vector")),
    }
}

pub(super) fn json_of(payload: HashMap<String, wire::Value>) -> Result<Map<String, Value>, Status> {
    payload.into_iter().map(|(name, value)| Ok((name, serde_json::to_value(value).map_err(wrong)?))).collect()
}

fn wire_payload(payload: Option<Payload>) -> HashMap<String, wire::Value> {
    payload.into_iter().flat_map(|payload| payload.0).map(|(name, value)| (name, value.into())).collect()
}

fn wire_vectors(vectors: VectorStructInternal) -> VectorsOutput {
    let output = |vector| {
        let vector = match vector {
            VectorInternal::Dense(data) => vector_output::Vector::Dense(DenseVector { data }),
            VectorInternal::Sparse(sparse) => {
                vector_output::Vector::Sparse(SparseVector { indices: sparse.indices, values: sparse.values })
            }
            VectorInternal::MultiDense(many) => {
                vector_output::Vector::Dense(DenseVector { data: many.flattened_vectors })
            }
        };
        VectorOutput { vector: Some(vector), ..VectorOutput::default() }
    };
    let options = match vectors {
        VectorStructInternal::Single(data) => {
            vectors_output::VectorsOptions::Vector(output(VectorInternal::Dense(data)))
        }
        VectorStructInternal::MultiDense(many) => {
            vectors_output::VectorsOptions::Vector(output(VectorInternal::MultiDense(many)))
        }
        VectorStructInternal::Named(named) => {
            let vectors = named.into_iter().map(|(name, vector)| (name, output(vector))).collect();
            vectors_output::VectorsOptions::Vectors(NamedVectorsOutput { vectors })
        }
    };
    VectorsOutput { vectors_options: Some(options) }
}

pub(super) fn retrieved(record: Record) -> RetrievedPoint {
    RetrievedPoint {
        id: Some(wire_id(record.id)),
        payload: wire_payload(record.payload),
        vectors: record.vector.map(wire_vectors),
        shard_key: None,
        order_value: None,
    }
}

pub(super) fn scored(point: qdrant_edge::ScoredPoint) -> ScoredPoint {
    ScoredPoint {
        id: Some(wire_id(point.id)),
        payload: wire_payload(point.payload),
        score: point.score,
        version: point.version,
        vectors: point.vector.map(wire_vectors),
        shard_key: None,
        order_value: None,
    }
}

/// Without a selector nothing is returned, or everything where the wire says so.
pub(super) fn with_payload(
    selector: Option<wire::WithPayloadSelector>,
    otherwise: bool,
) -> Result<WithPayloadInterface, Status> {
    let paths = |names: Vec<String>| names.iter().map(|name| path(name)).collect::<Result<Vec<_>, _>>();
    Ok(match selector.and_then(|selector| selector.selector_options) {
        None => WithPayloadInterface::Bool(otherwise),
        Some(payload_selector::SelectorOptions::Enable(all)) => WithPayloadInterface::Bool(all),
        Some(payload_selector::SelectorOptions::Include(include)) => {
            WithPayloadInterface::Fields(paths(include.fields)?)
        }
        Some(payload_selector::SelectorOptions::Exclude(exclude)) => {
            let exclude = PayloadSelectorExclude::new(paths(exclude.fields)?);
            WithPayloadInterface::Selector(PayloadSelector::Exclude(exclude))
        }
    })
}

pub(super) fn with_vectors(selector: Option<wire::WithVectorsSelector>) -> WithVector {
    match selector.and_then(|selector| selector.selector_options) {
        None => WithVector::Bool(false),
        Some(vectors_selector::SelectorOptions::Enable(all)) => WithVector::Bool(all),
        Some(vectors_selector::SelectorOptions::Include(names)) => WithVector::Selector(names.names),
    }
}

pub(super) fn filter(filter: wire::Filter) -> Result<Filter, Status> {
    serde_json::from_value(filter_json(filter)?).map_err(wrong)
}

fn filter_json(filter: wire::Filter) -> Result<Value, Status> {
    let mut json = Map::new();
    for (name, conditions) in [("must", filter.must), ("should", filter.should), ("must_not", filter.must_not)] {
        if !conditions.is_empty() {
            json.insert(name.to_owned(), conditions_json(conditions)?);
        }
    }
    if let Some(min) = filter.min_should {
        let min = json!({"conditions": conditions_json(min.conditions)?, "min_count": min.min_count});
        json.insert("min_should".to_owned(), min);
    }
    Ok(Value::Object(json))
}

fn conditions_json(conditions: Vec<wire::Condition>) -> Result<Value, Status> {
    conditions.into_iter().map(condition_json).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn condition_json(condition: wire::Condition) -> Result<Value, Status> {
    Ok(match condition.condition_one_of {
        Some(ConditionOneOf::Field(field)) => field_json(field)?,
        Some(ConditionOneOf::IsEmpty(empty)) => json!({"is_empty": {"key": empty.key}}),
        Some(ConditionOneOf::IsNull(nothing)) => json!({"is_null": {"key": nothing.key}}),
        Some(ConditionOneOf::HasId(has)) => {
            let ids = ids(has.has_id)?.into_iter().map(|id| match id {
                PointId::NumId(n) => json!(n),
                PointId::Uuid(id) => json!(id.as_hyphenated().to_string()),
            });
            json!({"has_id": ids.collect::<Vec<_>>()})
        }
        Some(ConditionOneOf::Filter(filter)) => filter_json(filter)?,
        Some(ConditionOneOf::Nested(nested)) => {
            json!({"nested": {"key": nested.key, "filter": filter_json(nested.filter.unwrap_or_default())?}})
        }
        Some(ConditionOneOf::HasVector(has)) => json!({"has_vector": has.has_vector}),
        Some(ConditionOneOf::Slice(_)) => return Err(unsupported("slices")),
        None => return Err(wrong("a condition that says nothing")),
    })
}

fn field_json(field: wire::FieldCondition) -> Result<Value, Status> {
    let mut json = Map::new();
    let mut put = |name: &str, value: Value| json.insert(name.to_owned(), value);
    put("key", field.key.into());
    if let Some(test) = field.r#match {
        put("match", match_json(test)?);
    }
    if let Some(wire::Range { lt, gt, gte, lte }) = field.range {
        put("range", bounds([("lt", lt), ("gt", gt), ("gte", gte), ("lte", lte)], |number| number.into()));
    }
    if let Some(wire::DatetimeRange { lt, gt, gte, lte }) = field.datetime_range {
        let moment = |time: prost_types::Timestamp| {
            Timestamp(time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000).to_string().into()
        };
        put("range", bounds([("lt", lt), ("gt", gt), ("gte", gte), ("lte", lte)], moment));
    }
    for (name, flag) in [("is_empty", field.is_empty), ("is_null", field.is_null)] {
        if let Some(flag) = flag {
            put(name, flag.into());
        }
    }
    if field.values_count.is_some() || field.geo_bounding_box.is_some() || field.geo_radius.is_some() {
        return Err(unsupported("this test of a field"));
    }
    Ok(Value::Object(json))
}

fn bounds<T>(bounds: [(&str, Option<T>); 4], spell: impl Fn(T) -> Value) -> Value {
    bounds.into_iter().filter_map(|(name, bound)| Some((name.to_owned(), spell(bound?)))).collect::<Map<_, _>>().into()
}

fn match_json(test: wire::Match) -> Result<Value, Status> {
    Ok(match test.match_value {
        Some(MatchValue::Keyword(text)) => json!({"value": text}),
        Some(MatchValue::Integer(n)) => json!({"value": n}),
        Some(MatchValue::Boolean(flag)) => json!({"value": flag}),
        Some(MatchValue::Keywords(any)) => json!({"any": any.strings}),
        Some(MatchValue::Integers(any)) => json!({"any": any.integers}),
        Some(MatchValue::ExceptKeywords(except)) => json!({"except": except.strings}),
        Some(MatchValue::ExceptIntegers(except)) => json!({"except": except.integers}),
        Some(MatchValue::Text(text)) => json!({"text": text}),
        Some(MatchValue::TextAny(text)) => json!({"text_any": text}),
        Some(MatchValue::Phrase(text)) => json!({"phrase": text}),
        Some(MatchValue::Prefix(_) | MatchValue::Substring(_)) => return Err(unsupported("this match")),
        None => return Err(wrong("a match that says nothing")),
    })
}
