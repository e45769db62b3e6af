//! Zarr arrays on servers: opening, and reading regions, chunk by chunk.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use ndarray::ArrayViewMutD;

use super::codecs::Shards;
use super::encode;
use super::metadata::{self, refuse};
use super::node::ZarrFile;
use super::source::{Stored, Table, decode_index, read_unit};
use super::update::{MARKER, unfinished};
use crate::base::chunks::Chunks;
use crate::base::element::Element;
use crate::base::region::Region;
use crate::base::source::Source;
use crate::error::{BoxError, Error, Kind, Result};
use crate::io::cells::{cells, full_region, sub_view};
use crate::io::raw;
use crate::io::remote::{Part, Remote};

/// A folder on a server.
pub struct Place {
    pub remote: Remote,
    pub folder: String,
}

/// A name below a folder, which may be the place itself.
pub fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        _ => format!("{folder}/{name}"),
    }
}

impl ZarrFile {
    /// Reads the metadata of an array on a server.
    ///
    /// # Errors
    /// As [`ZarrFile::open`]; the error names the URL.
    pub fn open_remote(remote: &Remote, folder: &str) -> Result<ZarrFile> {
        let folder = folder.trim_matches('/').to_owned();
        let url = remote.url(&folder);
        let open = || {
            let info = metadata::find_remote(remote, &folder)?.array()?;
            // Nothing lies in the mark but its name.
            let mark = remote
                .get(&join(&folder, MARKER), Part::Whole, 1 << 16)
                .map_err(|error| Error::wrap(Kind::Io, "looking for the mark of updates", error))?;
            match mark {
                Some(_) => Err(refuse(unfinished(url.as_ref()))),
                None => Ok(info),
            }
        };
        let info = open().map_err(|error: Error| error.context(format!("opening {url}")))?;
        Ok(ZarrFile {
            folder: PathBuf::from(url),
            info: Arc::new(info),
            remote: Some(Arc::new(Place {
                remote: remote.clone(),
                folder,
            })),
        })
    }
}

/// The elements of a Zarr array on a server.
///
/// A chunk's file, or of a shard its index and one inner chunk, is fetched by threads that wait, and decoded by those
/// that compute.
pub struct RemoteSource<T> {
    file: ZarrFile,
    place: Arc<Place>,
    element: PhantomData<fn() -> T>,
}

/// A unit that was fetched: its bytes, or none if it has only fill values.
struct Fetched(Option<Vec<u8>>);

/// A unit: the file's index and, if that is a shard, the inner chunk's in it; the part that is wanted.
struct Unit {
    file: Vec<usize>,
    inner: Option<Vec<usize>>,
    part: Region,
}

impl<T: Element> RemoteSource<T> {
    /// A source of elements of type `T`.
    ///
    /// # Errors
    /// If the array's elements have another type.
    pub fn new(file: ZarrFile, place: Arc<Place>) -> Result<RemoteSource<T>> {
        file.check_dtype::<T>()?;
        Ok(RemoteSource {
            file,
            place,
            element: PhantomData,
        })
    }

    /// The units that a region meets.
    fn units(&self, region: &Region) -> Vec<Unit> {
        let info = &self.file.info;
        let mut units = Vec::new();
        for (file, part) in cells(&info.file_shape, region) {
            let Some(shards) = &info.codecs.shards else {
                units.push(Unit {
                    file,
                    inner: None,
                    part,
                });
                continue;
            };
            let start = full_region(&file, &info.file_shape).start().to_vec();
            for (inner, inside) in cells(&shards.inner, &part.relative_to(&start)) {
                let at: Vec<usize> = inside
                    .start()
                    .iter()
                    .zip(&start)
                    .map(|(inside, start)| inside + start)
                    .collect();
                units.push(Unit {
                    file: file.clone(),
                    inner: Some(inner),
                    part: Region::new(at, inside.shape()),
                });
            }
        }
        units
    }

    fn key(&self, unit: &Unit) -> String {
        let path = self.file.info.keys.path(&unit.file);
        join(&self.place.folder, &path.to_string_lossy())
    }

    fn fetch_unit(&self, unit: &Unit) -> Result<Fetched, BoxError> {
        let codecs = &self.file.info.codecs;
        let key = self.key(unit);
        let most = codecs.unit.most_encoded as u64;
        let (Some(shards), Some(inner)) = (&codecs.shards, &unit.inner) else {
            return Ok(Fetched(self.place.remote.get(&key, Part::Whole, most)?));
        };
        let Some(table) = self.index(shards, &key)? else {
            return Ok(Fetched(None));
        };
        let Some((offset, bytes)) = table.find(shards, inner) else {
            return Ok(Fetched(None));
        };
        if bytes > most || offset.checked_add(bytes).is_none() {
            let why = format!(
                "the shard's index places it at {offset} with {bytes} bytes, and {most} are the most that its codecs make"
            );
            return Err(why.into());
        }
        let part = Part::Range { offset, bytes };
        match self.place.remote.get(&key, part, most)? {
            Some(bytes) => Ok(Fetched(Some(bytes))),
            None => Err("the shard is gone".into()),
        }
    }

    fn index(&self, shards: &Shards, key: &str) -> Result<Option<Table>, BoxError> {
        let bytes = shards.index_bytes as u64;
        let part = match shards.at_end {
            true => Part::Last(bytes),
            false => Part::Range { offset: 0, bytes },
        };
        let Some(encoded) = self.place.remote.get(key, part, bytes)? else {
            return Ok(None);
        };
        if (encoded.len() as u64) < bytes {
            let why = format!(
                "it has {} bytes, fewer than the {bytes} of a shard's index",
                encoded.len()
            );
            return Err(why.into());
        }
        decode_index(shards, encoded).map(Some)
    }

    fn decode_unit(
        &self,
        unit: &Unit,
        fetched: Fetched,
        mut out: ArrayViewMutD<'_, T>,
    ) -> Result<(), BoxError> {
        let info = &self.file.info;
        let Fetched(Some(bytes)) = fetched else {
            out.fill(encode::fill(info));
            return Ok(());
        };
        let file = full_region(&unit.file, &info.file_shape);
        let mut part = unit.part.relative_to(file.start());
        let shape = match (&info.codecs.shards, &unit.inner) {
            (Some(shards), Some(inner)) => {
                let whole = full_region(inner, &shards.inner);
                part = part.relative_to(whole.start());
                &shards.inner
            }
            _ => &info.unit_shape,
        };
        read_unit(&info.codecs.unit, shape, Stored::Here(bytes), &part, out)
    }

    /// An error that says which chunk of which file it was.
    fn named<R>(
        &self,
        unit: &Unit,
        done: impl FnOnce() -> Result<R, BoxError>,
    ) -> Result<R, BoxError> {
        // Codecs are others' code, and a chunk's bytes may be anybody's.
        catch_unwind(AssertUnwindSafe(done))
            .unwrap_or_else(|payload| Err(Error::from_panic(payload).into()))
            .map_err(|error| {
                let error = match &unit.inner {
                    Some(inner) => {
                        let what = format!("inner chunk {inner:?} of the shard");
                        Error::wrap(Kind::Io, what, error).into()
                    }
                    None => error,
                };
                let url = self.place.remote.url(&self.key(unit));
                let what = format!("chunk {:?} in {url}", unit.file);
                Error::wrap(Kind::Io, what, error).into()
            })
    }
}

impl<T: Element> Source for RemoteSource<T> {
    type Elem = T;

    fn shape(&self) -> &[usize] {
        &self.file.info.shape
    }

    fn chunks(&self) -> Chunks {
        self.file.info.units.clone()
    }

    fn read(&self, region: &Region, mut out: ArrayViewMutD<'_, T>) -> Result<(), BoxError> {
        raw::check_region(&self.file.info.shape, region, out.shape())?;
        if region.is_empty() {
            return Ok(());
        }
        for unit in self.units(region) {
            let into = sub_view(out.view_mut(), &unit.part, region);
            self.named(&unit, || {
                let fetched = self.fetch_unit(&unit)?;
                self.decode_unit(&unit, fetched, into)
            })?;
        }
        Ok(())
    }

    fn fetches(&self) -> bool {
        true
    }

    fn fetch(&self, region: &Region) -> Result<Box<dyn Any + Send>, BoxError> {
        // One unit is what the scratch is for. More of them, for readers of the elements in one row, come one by one.
        match &self.units(region)[..] {
            [unit] => Ok(Box::new(self.named(unit, || self.fetch_unit(unit))?)),
            _ => Ok(Box::new(())),
        }
    }

    fn decode(
        &self,
        region: &Region,
        fetched: Box<dyn Any + Send>,
        out: ArrayViewMutD<'_, T>,
    ) -> Result<(), BoxError> {
        raw::check_region(&self.file.info.shape, region, out.shape())?;
        match (fetched.downcast::<Fetched>(), &self.units(region)[..]) {
            (Ok(fetched), [unit]) => self.named(unit, || self.decode_unit(unit, *fetched, out)),
            _ => self.read(region, out),
        }
    }

    fn storage_grid(&self) -> Option<Chunks> {
        Some(self.file.info.units.clone())
    }

    fn cost(&self) -> f64 {
        // A connection of 100 MB/s; what is held need not come again.
        10.0 * size_of::<T>() as f64
    }

    fn scratch_bytes(&self) -> usize {
        let codecs = &self.file.info.codecs;
        let index = codecs
            .shards
            .as_ref()
            .map_or(0, |shards| shards.index.scratch_bytes());
        // What is stored as it is must be fetched all the same.
        let unit = codecs
            .unit
            .scratch_bytes()
            .max(codecs.unit.most_encoded.saturating_mul(2));
        unit.saturating_add(index)
    }

    fn describe(&self) -> String {
        self.file.folder.display().to_string()
    }
}
