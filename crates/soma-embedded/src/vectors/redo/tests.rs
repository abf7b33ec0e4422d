use serde_json::json;
use soma_core::error::Error;

use super::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn id(n: u128) -> PointId {
    PointId::Uuid(Uuid::from_u128(n))
}

fn runs() -> Vec<Run> {
    let point = |n: u128, payload| PointStructPersisted {
        id: id(n),
        vector: point::named(
            vec![0.1, -0.0, f32::MIN_POSITIVE, 1.0 / 3.0],
            Sparse { indices: vec![1, u32::MAX], values: vec![0.7, 1e-30] },
        ),
        payload,
    };
    let payload = json!({"rev": 5, "fields": ["a", "b"], "deep": {"x": 0.1}});
    let payload = payload.as_object().cloned().map(Payload);
    vec![
        Run::Upserts(5, vec![point(1, payload), point(u128::MAX, None)]),
        Run::Deletes(6, vec![id(1), id(2)]),
        Run::Purge(vec![id(3)]),
        Run::Upserts(
            u64::MAX,
            vec![PointStructPersisted { vector: point::named(vec![], Sparse::default()), ..point(4, None) }],
        ),
    ]
}

fn read(redo: &Redo) -> Result<Vec<Run>, Error> {
    let mut found = Vec::new();
    redo.replay(
        |error| Error::new(soma_core::error::Code::Corrupt, error.to_string()),
        |run| {
            found.push(run);
            Ok(())
        },
    )?;
    Ok(found)
}

#[test]
fn what_was_appended_is_read_in_its_order_by_whoever_opens_the_file() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut redo = Redo::open(dir.path())?;
    assert!(redo.is_empty());
    redo.append(&runs()[..2], None)?;
    redo.append(&runs()[2..], None)?;
    assert_eq!(read(&redo)?, runs());
    drop(redo);
    let mut redo = Redo::open(dir.path())?;
    assert!(!redo.is_empty());
    assert_eq!(read(&redo)?, runs());
    redo.clear()?;
    assert!(redo.is_empty());
    redo.append(&runs()[3..], None)?;
    assert_eq!(read(&Redo::open(dir.path())?)?, runs()[3..]);
    Ok(())
}

#[test]
fn a_record_that_is_cut_short_or_damaged_ends_the_file() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join(FILE);
    let mut redo = Redo::open(dir.path())?;
    redo.append(&runs()[..1], None)?;
    let whole = fs::metadata(&path)?.len();
    redo.append(&runs()[1..2], None)?;
    let bytes = fs::read(&path)?;
    for cut in whole as usize..bytes.len() {
        fs::write(&path, &bytes[..cut])?;
        assert_eq!(read(&Redo::open(dir.path())?)?, runs()[..1], "cut at {cut}");
    }
    for at in whole as usize..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        fs::write(&path, &damaged)?;
        assert_eq!(read(&Redo::open(dir.path())?)?, runs()[..1], "damaged at {at}");
    }
    Ok(())
}
