//! Small files that appear whole or not at all, and the disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::io::atomic::create_beside;

/// Writes a file under a temporary name, and renames it. Makes the folder if there is none.
///
/// With `sync`, the bytes are on the disk before the name is.
pub fn write_file(target: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let (temporary, mut file) = match create_beside(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            create_beside(target)?
        }
        found => found?,
    };
    let written = file
        .write_all(bytes)
        .and_then(|()| if sync { file.sync_all() } else { Ok(()) })
        .and_then(|()| fs::rename(&temporary, target));
    if written.is_err() {
        // The first error is the one to tell; what cannot be removed has a name that says what it is.
        let _ = fs::remove_file(&temporary);
    }
    written
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
