//! Opening arrays and groups.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::metadata::{self, ArrayInfo, NodeKind, refuse};
use crate::error::{Error, Kind, Result};

/// An array's folder and its metadata.
#[derive(Clone)]
pub struct ZarrFile {
    pub folder: PathBuf,
    pub info: Arc<ArrayInfo>,
}

/// A group's folder and its attributes.
#[derive(Clone)]
pub struct Node {
    pub folder: PathBuf,
    pub version: u8,
    pub attributes: Arc<Map<String, Value>>,
}

/// What a group has in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub is_group: bool,
}

impl ZarrFile {
    /// Reads an array's metadata.
    ///
    /// # Errors
    /// If there is no array, or its metadata are wrong; the error names the path.
    pub fn open(path: impl AsRef<Path>) -> Result<ZarrFile> {
        let folder = path.as_ref().to_path_buf();
        let info = metadata::find(&folder)
            .and_then(|found| found.array())
            .map_err(|error| error.context(format!("opening {}", folder.display())))?;
        Ok(ZarrFile {
            folder,
            info: Arc::new(info),
        })
    }
}

impl Node {
    /// Reads a group's metadata.
    ///
    /// # Errors
    /// If there is no group; the error names the path.
    pub fn open(path: impl AsRef<Path>) -> Result<Node> {
        let folder = path.as_ref().to_path_buf();
        let opened = || {
            let found = metadata::find(&folder)?;
            if found.kind == NodeKind::Array {
                return Err(refuse("it is an array, not a group"));
            }
            Ok(Node {
                version: found.version,
                attributes: Arc::new(found.attributes),
                folder: folder.clone(),
            })
        };
        opened().map_err(|error: Error| error.context(format!("opening {}", folder.display())))
    }

    /// The arrays and groups directly below, by name.
    pub fn members(&self) -> Result<Vec<Member>> {
        let failed = |error: std::io::Error| {
            let what = format!("listing {}", self.folder.display());
            Error::wrap(Kind::Io, what, error.into())
        };
        let mut members = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            // What begins with a point is a file in the making, or no node at all.
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            let folder = entry.path();
            if !folder.is_dir() {
                continue;
            }
            let known = ["zarr.json", ".zarray", ".zgroup"];
            if !known.iter().any(|name| folder.join(name).is_file()) {
                continue;
            }
            let found = metadata::find(&folder)
                .map_err(|error| error.context(format!("opening {}", folder.display())))?;
            members.push(Member {
                name: name.to_owned(),
                is_group: found.kind == NodeKind::Group,
            });
        }
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(members)
    }
}
