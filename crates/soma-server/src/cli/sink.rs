//! Where lines go: standard output, or a file that appears under its name when it is complete.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Stdout, Write as _};
use std::path::{Path, PathBuf};

use soma_core::error::Code;
use soma_core::{Error, Result};

/// Takes lines.
pub(super) struct Sink {
    to: To,
    lines: u64,
}

enum To {
    Terminal(BufWriter<Stdout>),
    File {
        writer: BufWriter<File>,
        part: PathBuf,
        file: PathBuf,
    },
    /// The reader of standard output went away; nobody wants more.
    Nobody,
}

impl Sink {
    /// Standard output for no name and for `-`.
    ///
    /// # Errors
    /// `bad_request` when the file cannot be made.
    pub(super) fn open(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file.filter(|file| *file != Path::new("-")) else {
            return Ok(Self { to: To::Terminal(BufWriter::new(std::io::stdout())), lines: 0 });
        };
        let mut part = file.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let made = File::create(&part).map_err(|error| unwritable(file, error))?;
        Ok(Self { to: To::File { writer: BufWriter::new(made), part, file: file.to_owned() }, lines: 0 })
    }

    /// Writes one line.
    ///
    /// # Errors
    /// `storage_full`, `bad_request`.
    pub(super) fn line(&mut self, line: &str) -> Result<()> {
        self.lines += 1;
        match &mut self.to {
            To::Terminal(writer) => match writeln!(writer, "{line}") {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.to = To::Nobody,
                written => written.map_err(|error| unwritable(Path::new("-"), error))?,
            },
            To::File { writer, file, .. } => writeln!(writer, "{line}").map_err(|error| unwritable(file, error))?,
            To::Nobody => {}
        }
        Ok(())
    }

    /// Whether anybody wants more.
    pub(super) const fn is_wanted(&self) -> bool {
        !matches!(self.to, To::Nobody)
    }

    /// Makes the file durable and gives it its name; `None` when it was standard output, else how many
    /// lines it holds.
    ///
    /// # Errors
    /// `storage_full`, `bad_request`.
    pub(super) fn finish(self) -> Result<Option<u64>> {
        match self.to {
            To::Terminal(mut writer) => match writer.flush() {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(unwritable(Path::new("-"), error)),
                _ => Ok(None),
            },
            To::File { writer, part, file } => {
                let close = || {
                    let opened = writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
                    opened.sync_all()?;
                    fs::rename(&part, &file)
                };
                close().map_err(|error| unwritable(&file, error))?;
                Ok(Some(self.lines))
            }
            To::Nobody => Ok(None),
        }
    }
}

fn unwritable(file: &Path, error: std::io::Error) -> Error {
    let code = if error.kind() == ErrorKind::StorageFull { Code::StorageFull } else { Code::BadRequest };
    Error::new(code, format!("{} cannot be written: {error}", file.display()))
        .remedy("name a file in a folder that can be written and has room")
        .because(error)
}
