//! Which chunks of an interrupted store are finished.
//!
//! A text file beside the chunks: a line about the store, then one line for each finished chunk, with its number,
//! its length and a check sum of its file. A line is written by one call after the chunk's file has its name; a
//! line that was cut off is not believed, and what a line says is checked before it is.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use flate2::Crc;

const NAME: &str = ".flagstone-journal";
/// Longer ones are of something else: a line has some thirty bytes.
const MAX_BYTES: u64 = 4 << 30;

/// A journal that is being written, locked against other processes.
pub struct Journal {
    file: Mutex<File>,
    sync: bool,
}

/// What a finished chunk's file should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub bytes: u64,
    pub crc: u32,
}

/// How a folder with a journal can be gone on with.
pub enum Found {
    /// With the same store's chunks.
    Same(Journal, HashMap<usize, Entry>),
    /// It holds another store's chunks; the text says which.
    Other(String),
    /// Another process is at it.
    Busy,
    None,
}

pub fn crc_of(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn first_line(fingerprint: u128) -> String {
    format!(
        "flagstone {} journal of {fingerprint:032x}\n",
        env!("CARGO_PKG_VERSION")
    )
}

impl Journal {
    /// Starts a journal in a new folder.
    pub fn create(folder: &Path, fingerprint: u128, sync: bool) -> io::Result<Journal> {
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(folder.join(NAME))?;
        file.lock()?;
        file.write_all(first_line(fingerprint).as_bytes())?;
        if sync {
            file.sync_all()?;
        }
        let file = Mutex::new(file);
        Ok(Journal { file, sync })
    }

    /// Reads the journal of an interrupted store.
    pub fn find(folder: &Path, fingerprint: u128, sync: bool) -> io::Result<Found> {
        let opened = OpenOptions::new()
            .read(true)
            .append(true)
            .open(folder.join(NAME));
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::None),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(Found::Busy),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
        let mut text = Vec::new();
        (&mut file).take(MAX_BYTES).read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.split_inclusive('\n');
        let first = lines.next().unwrap_or_default();
        if !first.ends_with('\n') {
            // Killed before it had begun.
            return Ok(Found::None);
        }
        if first != first_line(fingerprint) {
            return Ok(Found::Other(first.trim_end().to_owned()));
        }
        let entries = lines.clone().filter_map(parse).collect();
        // A line that was cut off must not become part of the next one.
        if !text.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        let file = Mutex::new(file);
        Ok(Found::Same(Journal { file, sync }, entries))
    }

    /// Notes that a chunk is finished.
    pub fn note(&self, number: usize, entry: Entry) -> io::Result<()> {
        let line = line(number, entry);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes())?;
        if self.sync {
            file.sync_data()?;
        }
        Ok(())
    }
}

/// Removes the journal of a store that is complete.
pub fn remove(folder: &Path) -> io::Result<()> {
    fs::remove_file(folder.join(NAME))
}

fn line(number: usize, entry: Entry) -> String {
    let text = format!("{number} {} {:08x}", entry.bytes, entry.crc);
    // A check of the line itself: what a power cut leaves of it may be anything.
    format!("{text} {:08x}\n", crc_of(text.as_bytes()))
}

fn parse(text: &str) -> Option<(usize, Entry)> {
    let mut words = text.strip_suffix('\n')?.split(' ');
    let number = words.next()?.parse().ok()?;
    let bytes = words.next()?.parse().ok()?;
    let crc = u32::from_str_radix(words.next()?, 16).ok()?;
    let entry = Entry { bytes, crc };
    (line(number, entry) == text).then_some((number, entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path, fingerprint: u128) -> HashMap<usize, Entry> {
        match Journal::find(folder, fingerprint, false).unwrap() {
            Found::Same(_, entries) => entries,
            _ => panic!("the journal is there"),
        }
    }

    #[test]
    fn what_was_noted_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |number: u32| Entry {
            bytes: u64::from(number) * 10,
            crc: number.wrapping_mul(0x9e37_79b9),
        };
        let journal = Journal::create(folder.path(), 7, true).unwrap();
        for number in 0..5 {
            journal.note(number as usize, entry(number)).unwrap();
        }
        // Nobody else may go on meanwhile.
        assert!(matches!(
            Journal::find(folder.path(), 7, false).unwrap(),
            Found::Busy
        ));
        drop(journal);
        let found = entries(folder.path(), 7);
        assert_eq!(found.len(), 5);
        assert_eq!(found[&3], entry(3));
        assert!(matches!(
            Journal::find(folder.path(), 8, false).unwrap(),
            Found::Other(_)
        ));
        // Wherever the file is cut off or damaged, lines that are whole are believed and no others.
        let path = folder.path().join(NAME);
        let text = fs::read(&path).unwrap();
        let start = first_line(7).len();
        for cut in start..=text.len() {
            fs::write(&path, &text[..cut]).unwrap();
            let whole = text[start..cut].iter().filter(|&&b| b == b'\n').count();
            assert_eq!(entries(folder.path(), 7).len(), whole, "cut at {cut}");
            let Found::Same(journal, _) = Journal::find(folder.path(), 7, false).unwrap() else {
                panic!("the journal is there")
            };
            journal.note(9, entry(9)).unwrap();
            drop(journal);
            assert_eq!(entries(folder.path(), 7)[&9], entry(9), "cut at {cut}");
        }
        for at in start..text.len() {
            let mut damaged = text.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            for (number, found) in entries(folder.path(), 7) {
                assert_eq!(found, entry(number as u32), "damaged at {at}");
            }
        }
        for cut in 0..start {
            fs::write(&path, &text[..cut]).unwrap();
            assert!(matches!(
                Journal::find(folder.path(), 7, false).unwrap(),
                Found::None
            ));
        }
    }
}
