//! Which servers and collections are used, and which are refused.

use std::collections::HashMap;

use futures::future::join_all;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::{
    CreateCollection, Distance, GetCollectionInfoRequest, Modifier, QuantizationType, SparseVectorConfig,
    SparseVectorParams, Value, VectorParams, VectorParamsMap, VectorsConfig, quantization_config, vectors_config,
};
use soma_cluster::qdrant::{Opened, Settings, Vectors, facts};
use soma_core::embed::Identity;
use soma_core::error::Code;
use soma_core::index::{Op, VectorIndex};
use soma_testkit::qdrant::{Options, StandIn};
use tonic::transport::Channel;

use super::{Outcome, connect, id, identity, settings, upsert};

#[tokio::test]
async fn a_collection_is_fresh_until_its_first_flush() -> Outcome {
    let stand_in = StandIn::start()?;
    let (vectors, opened) = connect(&stand_in).await?;
    assert_eq!(opened, Opened::Fresh);
    vectors.write(vec![upsert(1, 1)]).await?;
    let (again, opened) = connect(&stand_in).await?;
    assert_eq!(opened, Opened::Fresh, "written, not flushed");
    assert_eq!(again.count().await?, 1);
    vectors.flush().await?;
    let (_, opened) = connect(&stand_in).await?;
    assert_eq!(opened, Opened::Existing);
    Ok(())
}

/// How the server was told to keep the dense vectors of a collection.
async fn described(
    collections: &mut CollectionsClient<Channel>,
    name: &str,
) -> Result<(VectorParams, HashMap<String, Value>), Box<dyn std::error::Error>> {
    let request = GetCollectionInfoRequest { collection_name: name.into() };
    let config = collections.get(request).await?.into_inner().result.and_then(|info| info.config);
    let config = config.ok_or("a collection without a description")?;
    match config.params.and_then(|params| params.vectors_config?.config) {
        Some(vectors_config::Config::ParamsMap(map)) => {
            Ok((*map.map.get("dense").ok_or("no dense vectors")?, config.metadata))
        }
        other => Err(format!("{other:?}").into()),
    }
}

#[tokio::test]
async fn coarse_vectors_are_kept_unless_each_vector_is_looked_at_anyway() -> Outcome {
    let stand_in = StandIn::start()?;
    let mut collections = CollectionsClient::connect(stand_in.url()).await?;
    connect(&stand_in).await?;
    assert_eq!(described(&mut collections, "memories").await?.0.quantization_config, None);

    let model = Identity { name: "model".into(), ..identity() };
    let of = |name: &str| Settings { collection: name.into(), ..settings(stand_in.url()) };
    Vectors::connect(&of("new"), model.clone()).await?;
    let (dense, metadata) = described(&mut collections, "new").await?;
    let scalar = match dense.quantization_config.and_then(|config| config.quantization) {
        Some(quantization_config::Quantization::Scalar(scalar)) => scalar,
        other => return Err(format!("{other:?}").into()),
    };
    assert_eq!(scalar.r#type(), QuantizationType::Int8);

    // A collection that was made before coarse vectors were asked for.
    let plain = VectorParams { quantization_config: None, ..dense };
    let map = VectorParamsMap { map: HashMap::from([("dense".to_owned(), plain)]) };
    let words = SparseVectorParams { modifier: Some(Modifier::Idf.into()), ..SparseVectorParams::default() };
    let words = SparseVectorConfig { map: HashMap::from([("words".to_owned(), words)]) };
    collections
        .create(CreateCollection {
            collection_name: "old".into(),
            vectors_config: Some(VectorsConfig { config: Some(vectors_config::Config::ParamsMap(map)) }),
            sparse_vectors_config: Some(words),
            metadata,
            ..CreateCollection::default()
        })
        .await?;
    Vectors::connect(&of("old"), model).await?;
    assert_eq!(described(&mut collections, "old").await?.0, dense);
    Ok(())
}

#[tokio::test]
async fn several_processes_may_make_the_collection_at_once() -> Outcome {
    let stand_in = StandIn::start()?;
    let opened = join_all((0..8).map(|_| connect(&stand_in))).await;
    for (n, opened) in opened.into_iter().enumerate() {
        let (vectors, opened) = opened.map_err(|error| format!("process {n}: {error}"))?;
        assert_eq!(opened, Opened::Fresh);
        vectors.write(vec![upsert(n as u64, 1)]).await?;
    }
    let (vectors, _) = connect(&stand_in).await?;
    assert_eq!(vectors.count().await?, 8);
    Ok(())
}

#[tokio::test]
async fn another_embedder_is_refused_by_naming_both_and_the_way_out() -> Outcome {
    let stand_in = StandIn::start()?;
    connect(&stand_in).await?;
    for other in [
        Identity { revision: "2".into(), ..identity() },
        Identity { name: "other".into(), ..identity() },
        Identity { dims: 16, ..identity() },
    ] {
        let refused = Vectors::connect(&settings(stand_in.url()), other.clone()).await;
        let error = refused.err().ok_or("another embedder was let in")?;
        assert_eq!(error.code, Code::BadConfig);
        for part in [identity().to_string(), other.to_string(), "memories".to_owned()] {
            assert!(error.message.contains(&part), "{error}");
        }
        assert!(error.remedy.is_some(), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_collection_of_somebody_else_is_left_alone() -> Outcome {
    let stand_in = StandIn::start()?;
    let params = VectorParams { size: 4, distance: Distance::Dot.into(), ..VectorParams::default() };
    let mut collections = CollectionsClient::connect(stand_in.url()).await?;
    collections
        .create(CreateCollection {
            collection_name: "memories".into(),
            vectors_config: Some(VectorsConfig { config: Some(vectors_config::Config::Params(params)) }),
            ..CreateCollection::default()
        })
        .await?;
    let error = connect(&stand_in).await.err().ok_or("it was taken over")?;
    assert_eq!(error.code, Code::BadConfig);
    assert!(error.remedy.is_some(), "{error}");
    Ok(())
}

#[tokio::test]
async fn an_older_server_is_refused_by_naming_both_versions() -> Outcome {
    for version in ["1.16.3", "0.11.0", "unknown"] {
        let stand_in = StandIn::start_with(Options { version: version.into(), ..Options::default() })?;
        let error = connect(&stand_in).await.err().ok_or_else(|| format!("{version} was let in"))?;
        assert_eq!(error.code, Code::BadConfig);
        assert!(error.message.contains(version) && error.message.contains("1.17"), "{error}");
        let seen = facts(&settings(stand_in.url())).await?;
        assert_eq!((seen.version.as_str(), seen.supported, seen.collection), (version, false, None));
    }
    for version in ["1.17.0", "1.20.1", "2.0.0-dev"] {
        let stand_in = StandIn::start_with(Options { version: version.into(), ..Options::default() })?;
        connect(&stand_in).await.map_err(|error| format!("{version}: {error}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_server_with_a_key_asks_for_it() -> Outcome {
    let stand_in = StandIn::start_with(Options { api_key: Some("right".into()), ..Options::default() })?;
    for key in [None, Some("wrong".to_owned())] {
        let settings = Settings { api_key: key, ..settings(stand_in.url()) };
        let error = Vectors::connect(&settings, identity()).await.err().ok_or("let in without the key")?;
        assert_eq!(error.code, Code::Unavailable);
        assert!(error.remedy.is_some() && !error.to_string().contains("wrong"), "{error}");
    }
    let settings = Settings { api_key: Some("right".into()), ..settings(stand_in.url()) };
    let (vectors, _) = Vectors::connect(&settings, identity()).await?;
    vectors.write(vec![upsert(1, 1)]).await?;
    Ok(())
}

#[tokio::test]
async fn facts_describe_server_and_collection() -> Outcome {
    let stand_in = StandIn::start()?;
    assert_eq!(facts(&settings(stand_in.url())).await?.collection, None, "before it is made");
    let (vectors, _) = connect(&stand_in).await?;
    vectors.write(vec![upsert(1, 1), upsert(2, 1), Op::Delete { id: id(1), rev: 2 }]).await?;
    let seen = vectors.facts().await?;
    assert!(seen.supported);
    assert_eq!(seen.url, stand_in.url());
    let collection = seen.collection.ok_or("no collection")?;
    assert_eq!((collection.name.as_str(), collection.status, collection.points), ("memories", "green", 1));
    assert_eq!(collection.embedder, Some(identity()));
    Ok(())
}

#[tokio::test]
async fn the_stand_in_keeps_its_folder() -> Outcome {
    let dir = tempfile::tempdir()?;
    let options = Options { dir: Some(dir.path().to_owned()), ..Options::default() };
    let stand_in = StandIn::start_with(options.clone())?;
    let (vectors, _) = connect(&stand_in).await?;
    vectors.write(vec![upsert(1, 1), upsert(2, 5)]).await?;
    vectors.flush().await?;
    stand_in.flush()?;
    drop((vectors, stand_in));
    let stand_in = StandIn::start_with(options)?;
    let (vectors, opened) = connect(&stand_in).await?;
    assert_eq!(opened, Opened::Existing);
    vectors.write(vec![upsert(1, 2), upsert(2, 4)]).await?;
    assert_eq!(super::revs(&vectors).await?.iter().map(|(_, rev)| rev).sum::<u64>(), 2 + 5);
    Ok(())
}

#[tokio::test]
async fn what_was_flushed_is_there_after_the_server_was_killed_and_what_was_not_may_be_gone() -> Outcome {
    let mut stand_in = StandIn::start()?;
    let (vectors, _) = connect(&stand_in).await?;
    vectors.write(vec![upsert(1, 1), upsert(2, 1)]).await?;
    vectors.flush().await?;
    stand_in.flush()?;
    vectors.write(vec![upsert(3, 2)]).await?;
    stand_in.kill()?;
    assert!(vectors.count().await.is_err(), "nobody is there");
    stand_in.start_again()?;
    // The same connection goes on.
    assert_eq!(vectors.count().await?, 2);
    vectors.write(vec![upsert(3, 2), upsert(1, 3)]).await?;
    assert_eq!(super::revs(&vectors).await?.iter().map(|(_, rev)| rev).sum::<u64>(), 1 + 2 + 3);
    assert!(!vectors.durability_lag().is_zero(), "`indexed` has to trail");
    let (_, opened) = connect(&stand_in).await?;
    assert_eq!(opened, Opened::Existing);
    Ok(())
}
