//! The unlinked temporary file that blocks are spilled to.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::position;
use crate::base::spill::SpillStore;
use crate::error::{Error, Kind, Result};

/// A file without a name: whatever ends the process, the system takes its bytes back.
pub struct SpillFile {
    file: File,
    folder: PathBuf,
    bytes: u64,
}

impl SpillFile {
    /// Makes the file, and room for all of its bytes where the file system can promise it: a disk that is too
    /// small is known before anything runs.
    pub fn create(folder: &Path, bytes: u64) -> Result<SpillFile> {
        let failed = |error| failed(folder, format!("making room for {bytes} bytes"), error);
        let file = unnamed(folder).map_err(failed)?;
        reserve(&file, bytes).map_err(failed)?;
        Ok(SpillFile {
            file,
            folder: folder.to_path_buf(),
            bytes,
        })
    }

    fn failed(&self, what: String, error: io::Error) -> Error {
        let of = format!("{what} of {} bytes", self.bytes);
        failed(&self.folder, of, error)
    }
}

fn failed(folder: &Path, what: String, error: io::Error) -> Error {
    let message = format!(
        "spilling to a temporary file in {}, {what}",
        folder.display()
    );
    Error::wrap(Kind::Io, message, error.into())
}

impl SpillStore for SpillFile {
    fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
        position::write_bytes(&self.file, bytes, offset).map_err(|error| {
            self.failed(
                format!("writing {} bytes at byte {offset}", bytes.len()),
                error,
            )
        })
    }

    fn read(&self, out: &mut [u8], offset: u64) -> Result<()> {
        let n = out.len();
        position::read_bytes(&self.file, out, offset)
            .map_err(|error| self.failed(format!("reading {n} bytes at byte {offset}"), error))
    }
}

/// A file that has no name from the start, or loses it at once where the system cannot do that.
fn unnamed(folder: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt;

        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_TMPFILE);
        match options.mode(0o600).open(folder) {
            // File systems that do not know it say one or the other.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)
                ) => {}
            result => return result,
        }
    }
    named_for_a_moment(folder)
}

fn named_for_a_moment(folder: &Path) -> io::Result<File> {
    use std::sync::atomic::{AtomicU64, Ordering};

    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".flagstone-{}-{number}.spill", std::process::id()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(windows)]
        {
            use std::os::windows::fs::OpenOptionsExt;

            const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
            options.custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
        }
        match options.open(&path) {
            Ok(file) => {
                #[cfg(not(windows))]
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        }
    }
}

/// Room on the disk, if the file system can say that there is.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;

        let len = i64::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        if len == 0 {
            return Ok(());
        }
        loop {
            // SAFETY: a call on an open descriptor, without pointers.
            if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, len) } == 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                // Nobody can say: writes will.
                Some(libc::EOPNOTSUPP | libc::ENOSYS) => return Ok(()),
                _ => return Err(error),
            }
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_no_name_is_left() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            SpillFile::create(folder.path(), 1000).unwrap(),
            SpillFile {
                file: named_for_a_moment(folder.path()).unwrap(),
                folder: folder.path().to_path_buf(),
                bytes: 1000,
            },
        ] {
            file.write(&[7; 100], 900).unwrap();
            file.write(&[8; 10], 0).unwrap();
            let mut out = [0; 12];
            file.read(&mut out, 898).unwrap();
            assert_eq!(out, [0, 0, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn errors_name_folder_and_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("nowhere");
        let Err(error) = SpillFile::create(&missing, 12_345) else {
            panic!("a file in a folder that is not there")
        };
        let text = error.to_string();
        assert!(
            error.is_io() && text.contains("nowhere") && text.contains("12345"),
            "{text}"
        );
        let file = SpillFile::create(folder.path(), 10).unwrap();
        let text = file.read(&mut [0; 20], 0).unwrap_err().to_string();
        assert!(
            text.contains("reading 20 bytes") && text.contains("of 10 bytes"),
            "{text}"
        );
    }

    #[test]
    fn a_disk_that_is_too_small_is_known_at_once() {
        let folder = tempfile::tempdir().unwrap();
        // An exbibyte: more than any file system here has.
        let Err(error) = SpillFile::create(folder.path(), 1 << 60) else {
            panic!("an exbibyte was there")
        };
        assert!(
            error.to_string().contains(&(1u64 << 60).to_string()),
            "{error}"
        );
    }
}
