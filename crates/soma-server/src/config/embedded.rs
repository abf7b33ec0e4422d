//! `SOMA_DATA_DIR`.
//!
//! Where journal, records and vectors lie.

use std::path::PathBuf;

use super::source::{Reader, Variable};

const DATA_DIR: Variable = Variable::new("SOMA_DATA_DIR", "", "directory of journal, records and vectors");

/// The data directory.
#[derive(Clone, Debug)]
pub(crate) struct Embedded {
    /// Where it is, or shall be.
    pub data_dir: PathBuf,
}

impl Embedded {
    /// Reads and checks; the default is the platform's folder for data.
    pub(crate) fn read(reader: &mut Reader) -> Self {
        if let Some(text) = reader.text(&DATA_DIR) {
            return Self { data_dir: PathBuf::from(text) };
        }
        let Some(dirs) = directories::BaseDirs::new() else {
            reader.problem(format!("there is no home directory to keep data in; set {}", DATA_DIR.name), DATA_DIR.name);
            return Self { data_dir: PathBuf::new() };
        };
        let data_dir = dirs.data_dir().join("soma");
        reader.show(DATA_DIR.name, data_dir.display().to_string());
        Self { data_dir }
    }
}
