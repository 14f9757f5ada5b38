//! Exchanges as a directory of Parquet files, by date and by the host that captured them.
//!
//! `DIR/date=2026-11-21/host=web1/20261121T063425.123456789Z.parquet`: UTC date of the start, name
//! of the capturing host as the segment has it (`unknown` where it has none), and the start of
//! the file's first row, so that the same export again replaces its files. The two partition
//! columns are in the path alone, as Hive has it.
//!
//! The types are those that `Spark`, `DuckDB`, `ClickHouse` and `DataFusion` all read: instants in
//! microseconds and UTC, beside the exact nanoseconds as a number; signed integers alone; lists of
//! name and value for header fields, because a map would lose the second `Set-Cookie`; text for
//! addresses.

mod rows;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::TypePtr;

use crate::exchange::Exchange;
use crate::limits::{PARQUET_FILES_MAX, PARQUET_ROWS_MAX, PARQUET_TEXT_BYTES_MAX};
use crate::time::Timestamp;
use rows::Rows;

/// zstd's level: files are written once and read often, so more than the segments' 1.
const LEVEL: i32 = 3;

/// Why a lake could not be written; what and where.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// A file or directory could not be made, written or renamed.
    #[error("cannot write {path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The Parquet writer refused.
    #[error("cannot write {path} as Parquet: {source}")]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: ParquetError,
    },
}

/// A directory of Parquet files being written.
#[derive(Debug)]
pub struct Lake {
    dir: PathBuf,
    schema: TypePtr,
    properties: WriterPropertiesPtr,
    open: Vec<Part>,
    written: Vec<PathBuf>,
}

/// One file being written.
#[derive(Debug)]
struct Part {
    folder: PathBuf,
    path: PathBuf,
    writer: SerializedFileWriter<File>,
    rows: Rows,
    first: Timestamp,
}

impl Lake {
    /// A lake in `dir`, which is made where it is not there.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be made.
    pub fn create(dir: &Path) -> Result<Self, LakeError> {
        fs::create_dir_all(dir).map_err(|source| io_error(dir, source))?;
        let properties = ZstdLevel::try_new(LEVEL).map(|level| {
            WriterProperties::builder()
                .set_compression(Compression::ZSTD(level))
                .set_created_by(concat!("weir version ", env!("CARGO_PKG_VERSION")).to_owned())
                .build()
        });
        let refused = |source| LakeError::Parquet { path: dir.to_owned(), source };
        Ok(Self {
            dir: dir.to_owned(),
            schema: rows::schema().map_err(refused)?,
            properties: Arc::new(properties.map_err(refused)?),
            open: Vec::new(),
            written: Vec::new(),
        })
    }

    /// Adds one exchange, captured on `host`.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written.
    pub fn push(&mut self, host: &str, exchange: &Exchange) -> Result<(), LakeError> {
        let start = exchange.facts.start;
        let mut folder = self.dir.join(format!("date={}", date(start)));
        folder.push(format!("host={}", partition(host)));
        let at = match self.open.iter().position(|part| part.folder == folder) {
            Some(at) => at,
            None => self.open_part(folder, start)?,
        };
        let Some(part) = self.open.get_mut(at) else { return Ok(()) };
        part.first = part.first.min(start);
        part.rows.push(exchange);
        if part.rows.len() >= PARQUET_ROWS_MAX || part.rows.text_bytes() >= PARQUET_TEXT_BYTES_MAX {
            part.write_rows()?;
        }
        Ok(())
    }

    /// Ends every file and gives their paths. Until then none has the name that engines look for.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written or renamed.
    pub fn finish(mut self) -> Result<Vec<PathBuf>, LakeError> {
        for part in std::mem::take(&mut self.open) {
            self.end(part)?;
        }
        self.written.sort();
        Ok(std::mem::take(&mut self.written))
    }

    fn open_part(&mut self, folder: PathBuf, start: Timestamp) -> Result<usize, LakeError> {
        if self.open.len() >= PARQUET_FILES_MAX {
            let oldest = self.open.remove(0);
            self.end(oldest)?;
        }
        fs::create_dir_all(&folder).map_err(|source| io_error(&folder, source))?;
        // A name that begins with a dot is passed over by every engine.
        let path = folder.join(format!(".{}-{}.part", std::process::id(), stem(start)));
        let file = File::create(&path).map_err(|source| io_error(&path, source))?;
        let (schema, properties) = (Arc::clone(&self.schema), Arc::clone(&self.properties));
        let writer = SerializedFileWriter::new(file, schema, properties)
            .map_err(|source| LakeError::Parquet { path: path.clone(), source })?;
        self.open.push(Part { folder, path, writer, rows: Rows::default(), first: start });
        Ok(self.open.len() - 1)
    }

    fn end(&mut self, mut part: Part) -> Result<(), LakeError> {
        part.write_rows()?;
        let Part { folder, path, writer, first, .. } = part;
        writer.close().map_err(|source| LakeError::Parquet { path: path.clone(), source })?;
        let mut target = folder.join(format!("{}.parquet", stem(first)));
        let mut number = 1;
        while self.written.contains(&target) {
            target = folder.join(format!("{}-{number}.parquet", stem(first)));
            number += 1;
        }
        fs::rename(&path, &target).map_err(|source| io_error(&target, source))?;
        self.written.push(target);
        Ok(())
    }
}

/// What a failed or interrupted export leaves is removed.
impl Drop for Lake {
    fn drop(&mut self) {
        for part in &self.open {
            let _ = fs::remove_file(&part.path);
        }
    }
}

impl Part {
    fn write_rows(&mut self) -> Result<(), LakeError> {
        let written = self.rows.write(&mut self.writer);
        written.map_err(|source| LakeError::Parquet { path: self.path.clone(), source })
    }
}

fn io_error(path: &Path, source: io::Error) -> LakeError {
    LakeError::Io { path: path.to_owned(), source }
}

/// The date of an instant, in UTC.
fn date(at: Timestamp) -> String {
    let text = at.to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// An instant as a part of a file's name.
fn stem(at: Timestamp) -> String {
    at.to_string().replace(['-', ':'], "")
}

/// A value as a folder's name: what a path or a URL could take for something else is in
/// percent-encoding, as Hive has it.
fn partition(value: &str) -> String {
    if value.is_empty() {
        return "unknown".to_owned();
    }
    let mut name = String::with_capacity(value.len());
    for byte in value.bytes() {
        // A dot is plain inside of a name; at its front it would hide the folder or leave it.
        let is_plain = byte.is_ascii_alphanumeric()
            || b"-_".contains(&byte)
            || (byte == b'.' && !name.is_empty());
        if is_plain {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;
    use crate::exchange::{Facts, State, Timing};

    fn exchange(start: i64, total_ns: Option<u64>) -> Exchange {
        let mut exchange = Exchange {
            facts: Facts {
                start: Timestamp::from_nanos(start),
                status: 200,
                request: Some(crate::exchange::MessageFacts::default()),
                timing: Timing { total_ns, ..Timing::default() },
                ..Facts::default()
            },
            route: "/cart".to_owned(),
            ..Exchange::default()
        };
        exchange.request.head = b"GET /cart HTTP/1.1\r\nA: 1\r\nA: \xff\r\n\r\n".to_vec();
        exchange
    }

    #[test]
    fn rows_are_read_back_from_the_file_of_their_date_and_host() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut lake = Lake::create(dir.path()).expect("a lake");
        let day = 86_400_000_000_000;
        lake.push("web1", &exchange(day + 7, Some(5))).expect("written");
        lake.push("../x", &exchange(7, None)).expect("written");
        let mut orphan = exchange(day + 3, None);
        orphan.facts.state = State::Orphan;
        orphan.facts.request = None;
        lake.push("web1", &orphan).expect("written");
        let paths = lake.finish().expect("finished");
        let names: Vec<_> =
            paths.iter().map(|path| path.strip_prefix(dir.path()).unwrap()).collect();
        let expected = [
            "date=1970-01-01/host=%2E.%2Fx/19700101T000000.000000007Z.parquet",
            "date=1970-01-02/host=web1/19700102T000000.000000003Z.parquet",
        ];
        assert_eq!(names, expected.map(Path::new));
        let reader =
            SerializedFileReader::new(File::open(&paths[1]).expect("a file")).expect("Parquet");
        let rows: Vec<String> = reader
            .get_row_iter(None)
            .expect("rows")
            .map(|row| row.expect("a row").to_string())
            .collect();
        let check = |row: usize, parts: &[&str]| {
            for part in parts {
                assert!(rows[row].contains(part), "{part} in {}", rows[row]);
            }
        };
        check(0, &["route: \"GET /cart\"", "total_ns: 5", "start_ns: 86400000000007,"]);
        check(0, &["{name: \"A\", value: \"1\"}, {name: \"A\", value: \"ÿ\"}"]);
        check(1, &["state: \"orphan\"", "route: null", "total_ns: null"]);
    }

    #[test]
    fn an_export_that_is_given_up_leaves_no_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut lake = Lake::create(dir.path()).expect("a lake");
        lake.push("web1", &exchange(7, None)).expect("written");
        drop(lake);
        let folder = dir.path().join("date=1970-01-01/host=web1");
        assert_eq!(fs::read_dir(folder).expect("a folder").count(), 0);
    }

    #[test]
    fn more_dates_than_files_open_at_once_lose_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut lake = Lake::create(dir.path()).expect("a lake");
        for _ in 0..2 {
            for day in 0..12 {
                lake.push("", &exchange(day * 86_400_000_000_000, None)).expect("written");
            }
        }
        let rows = lake.finish().expect("finished").into_iter().map(|path| {
            let reader = SerializedFileReader::new(File::open(path).expect("a file"));
            reader.expect("Parquet").metadata().file_metadata().num_rows()
        });
        assert_eq!(rows.sum::<i64>(), 24);
    }
}
