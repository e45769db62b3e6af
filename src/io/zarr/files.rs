//! Small files that appear whole or not at all, and the disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::io::atomic::create_beside;

/// Writes a file under a temporary name, and renames it. Makes the folder if there is none.
///
/// With `sync`, the bytes are on the disk before the name is.
pub fn write_file(target: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    write_with(target, sync, |file| file.write_all(bytes))
}

/// As [`write_file`], with the bytes that `write` puts there. After an error or a panic nothing is left of them.
pub fn write_with<R>(
    target: &Path,
    sync: bool,
    write: impl FnOnce(&mut File) -> io::Result<R>,
) -> io::Result<R> {
    let (path, mut file) = match create_beside(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            create_beside(target)?
        }
        found => found?,
    };
    let mut temporary = Temporary(Some(path));
    let result = write(&mut file)?;
    if sync {
        file.sync_all()?;
    }
    temporary.rename(target)?;
    Ok(result)
}

/// The name of a file that is removed unless it gets another one.
struct Temporary(Option<PathBuf>);

impl Temporary {
    fn rename(&mut self, target: &Path) -> io::Result<()> {
        if let Some(path) = &self.0 {
            fs::rename(path, target)?;
            self.0 = None;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // The first error is the one to tell; what cannot be removed has a name that says what it is.
            let _ = fs::remove_file(path);
        }
    }
}

/// Hands a folder's names to the disk.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Other systems cannot open folders, and need not.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Hands the names of a folder and of all folders in it to the disk.
pub fn sync_tree(folder: &Path) -> io::Result<()> {
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
        sync_folder(&folder)?;
    }
    Ok(())
}

/// A number that is another one if a file of a folder, or of a folder in it, was changed, added or removed, as far as lengths
/// and times of change tell. It costs a microsecond or two for each file.
pub fn state(folder: &Path) -> io::Result<u64> {
    let mut state = 0u64;
    let mut open = vec![folder.to_path_buf()];
    while let Some(inner) = open.pop() {
        for entry in fs::read_dir(&inner)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                open.push(entry.path());
                continue;
            }
            let path = entry.path();
            let name = path.strip_prefix(folder).unwrap_or(&path);
            let changed = metadata.modified()?;
            let since = changed
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default();
            let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
            hash.add(name.as_os_str().as_encoded_bytes());
            hash.add(&metadata.len().to_le_bytes());
            hash.add(&since.as_nanos().to_le_bytes());
            // Added up, because folders list their files in any order.
            state = state.wrapping_add(hash.0);
        }
    }
    Ok(state)
}

/// Fowler, Noll and Vo's hash (1a, 64 bits): the same in every version and on every machine.
struct Fnv(u64);

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn what_fails_in_the_middle_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("new/file");
        let fails = |file: &mut File| -> io::Result<()> {
            file.write_all(b"half of")?;
            Err(io::Error::other("the disk is gone"))
        };
        let panics = |file: &mut File| -> io::Result<()> {
            file.write_all(b"half of")?;
            panic!("in the middle")
        };
        for (sync, there) in [(false, None), (true, None), (true, Some("old"))] {
            if let Some(text) = there {
                write_file(&target, text.as_bytes(), sync).unwrap();
            }
            let error = write_with(&target, sync, fails).unwrap_err();
            assert_eq!(error.to_string(), "the disk is gone");
            let panicked = catch_unwind(AssertUnwindSafe(|| write_with(&target, sync, panics)));
            assert!(panicked.is_err());
            let left = fs::read_dir(target.parent().unwrap()).unwrap().count();
            assert_eq!(left, usize::from(there.is_some()));
            assert_eq!(fs::read_to_string(&target).ok().as_deref(), there);
        }
        // A name that cannot be had.
        fs::create_dir_all(folder.path().join("new/folder/inner")).unwrap();
        write_file(&folder.path().join("new/folder"), b"x", false).unwrap_err();
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 2);
    }
}
