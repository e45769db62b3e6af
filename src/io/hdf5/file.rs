//! Opening files, and what is in them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::attributes::Attributes;
use super::dataset::Dataset;
use crate::error::{Error, Kind, Result};

/// More datasets and groups of one file are not listed.
const MOST_MEMBERS: usize = 1 << 20;

/// An opened file.
#[derive(Clone)]
pub struct Hdf5File {
    pub path: Arc<PathBuf>,
    file: hdf5::File,
    /// What is said about the file as a whole.
    pub attributes: Arc<Attributes>,
}

/// An error of the library, with all that it says.
pub fn failed(what: impl Into<String>, error: hdf5::Error) -> Error {
    Error::wrap(Kind::Io, what, Box::new(error))
}

/// What is wrong with a file, to be completed with its path.
pub fn refuse(why: impl Into<String>) -> Error {
    Error::new(Kind::Io, why)
}

impl Hdf5File {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// If there is no such file, or it is no HDF5 file; the error names the path.
    pub fn open(path: impl AsRef<Path>) -> Result<Hdf5File> {
        let path = path.as_ref().to_path_buf();
        let what = format!("opening {}", path.display());
        check_beginning(&path).map_err(|error| error.context(what.clone()))?;
        let file = hdf5::File::open(&path).map_err(|error| failed(what.clone(), error))?;
        let attributes = Attributes::of(&file).map_err(|error| error.context(what))?;
        Ok(Hdf5File {
            path: Arc::new(path),
            file,
            attributes: Arc::new(attributes),
        })
    }

    /// A dataset, by its path in the file.
    ///
    /// # Errors
    /// If there is none of that name, or arrays cannot hold it; the error names both paths.
    pub fn dataset(&self, name: &str) -> Result<Dataset> {
        let open = || {
            let found = self
                .file
                .dataset(name)
                .map_err(|error| failed("it cannot be opened", error))?;
            Dataset::new(&self.path, found)
        };
        open()
            .map_err(|error| error.context(format!("opening {name:?} in {}", self.path.display())))
    }

    /// The paths of all datasets, groups walked by name.
    ///
    /// # Errors
    /// If a group cannot be listed; the error names the path.
    pub fn names(&self) -> Result<Vec<String>> {
        let what = || format!("listing {}", self.path.display());
        let root = self
            .file
            .as_group()
            .map_err(|error| failed(what(), error))?;
        let mut names = Vec::new();
        let mut seen = 0;
        // A group may be reached from itself: each is walked once.
        let mut known = std::collections::BTreeSet::new();
        let mut open = vec![(String::new(), root)];
        while let Some((prefix, group)) = open.pop() {
            let token = group.loc_info().map_err(|error| failed(what(), error))?;
            if !known.insert(format!("{:?}", token.token)) {
                continue;
            }
            let members = group
                .member_names()
                .map_err(|error| failed(what(), error))?;
            seen += members.len();
            if seen > MOST_MEMBERS {
                let why = format!("it has more than {MOST_MEMBERS} members, which is refused");
                return Err(refuse(why).context(what()));
            }
            for name in members {
                let path = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}/{name}")
                };
                match group.loc_type_by_name(&name) {
                    Ok(hdf5::LocationType::Dataset) => names.push(path),
                    Ok(hdf5::LocationType::Group) => {
                        let inner = group.group(&name).map_err(|error| failed(what(), error))?;
                        open.push((path, inner));
                    }
                    // Types are no data, and a link that leads nowhere leads to none.
                    _ => {}
                }
            }
        }
        names.sort();
        Ok(names)
    }
}

/// The library's own words for a file of another format do not help.
fn check_beginning(path: &Path) -> Result<()> {
    let failed = |error: std::io::Error| Error::wrap(Kind::Io, "it cannot be read", error.into());
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(refuse("it is a folder, not a NetCDF-4 or HDF5 file"));
    }
    let mut first = Vec::new();
    file.take(4).read_to_end(&mut first).map_err(failed)?;
    if matches!(first[..], [b'C', b'D', b'F', 1 | 2 | 5]) {
        return Err(refuse(
            "it is a NetCDF file of a classic format, and only NetCDF-4 is read: `nccopy -k nc4` converts it",
        ));
    }
    Ok(())
}
