//! Opening arrays and groups.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::metadata::{self, ArrayInfo, NodeKind, refuse};
use super::update::{MARKER, unfinished};
use crate::base::element::Element;
use crate::error::{Error, Kind, Result};

/// An array's folder and its metadata.
#[derive(Clone)]
pub struct ZarrFile {
    pub folder: PathBuf,
    pub info: Arc<ArrayInfo>,
    /// The server, if it lies on one; then the folder is what its URL says.
    #[cfg(feature = "http")]
    pub remote: Option<Arc<super::remote::Place>>,
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
    /// If there is no array, its metadata are wrong, or a region of it was not written to the end; the error names the
    /// path.
    pub fn open(path: impl AsRef<Path>) -> Result<ZarrFile> {
        let file = ZarrFile::open_unfinished(path)?;
        let folder = &file.folder;
        if fs::symlink_metadata(folder.join(MARKER)).is_ok() {
            let error = refuse(unfinished(folder));
            return Err(error.context(format!("opening {}", folder.display())));
        }
        Ok(file)
    }

    /// Reads an array's metadata, also if a region of it was not written to the end.
    pub fn open_unfinished(path: impl AsRef<Path>) -> Result<ZarrFile> {
        let folder = path.as_ref().to_path_buf();
        let info = metadata::find(&folder)
            .and_then(|found| found.array())
            .map_err(|error| error.context(format!("opening {}", folder.display())))?;
        Ok(ZarrFile {
            folder,
            info: Arc::new(info),
            #[cfg(feature = "http")]
            remote: None,
        })
    }

    /// That the elements have the type `T`.
    pub fn check_dtype<T: Element>(&self) -> Result<()> {
        let dtype = self.info.dtype;
        if dtype == T::DTYPE {
            return Ok(());
        }
        let why = format!(
            "{} holds {dtype}, not {}: open it as an array of {}, or as an AnyArray",
            self.folder.display(),
            T::DTYPE,
            dtype.rust_name()
        );
        Err(Error::new(Kind::Dtype, why))
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

/// Writes a group's metadata, unless there is a group already.
pub fn create_group(folder: &Path, attributes: &Map<String, Value>) -> Result<()> {
    if folder.join("zarr.json").exists() || folder.join(".zgroup").exists() {
        return Node::open(folder).map(|_| ());
    }
    if folder.join(".zarray").exists() {
        let error = refuse("it is an array, not a group");
        return Err(error.context(format!("creating {}", folder.display())));
    }
    let document =
        serde_json::json!({"zarr_format": 3, "node_type": "group", "attributes": attributes});
    let text = format!("{document:#}\n");
    super::files::write_file(&folder.join("zarr.json"), text.as_bytes(), false).map_err(|error| {
        let what = format!("creating {}", folder.display());
        Error::wrap(Kind::Io, what, error.into())
    })
}
