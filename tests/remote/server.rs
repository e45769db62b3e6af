//! A small HTTP server, that serves the files of a folder and misbehaves on request.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What happens to the next requests of one path.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Status(u16),
    /// The body ends early, and the connection with it.
    CutOff,
    /// No answer at all.
    Hangs,
    /// The connection ends without an answer.
    Closes,
}

#[derive(Default)]
pub struct Script {
    /// By the end of the path: how often, and what.
    faults: Mutex<HashMap<String, (usize, Fault)>>,
    /// Requests of chunks wait until so many have been under way at once.
    pub meet: AtomicUsize,
    /// Knows no ranges.
    pub whole: AtomicBool,
    now: AtomicUsize,
    pub most: AtomicUsize,
    /// Paths with their queries, and ranges.
    log: Mutex<Vec<(String, Option<String>)>>,
    stop: AtomicBool,
}

pub struct Server {
    pub address: String,
    pub script: Arc<Script>,
    port: u16,
}

impl Server {
    pub fn new(folder: impl AsRef<Path>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Script::default());
        let folder = folder.as_ref().to_path_buf();
        let shared = Arc::clone(&script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::SeqCst) {
                    break;
                }
                let (script, folder) = (Arc::clone(&shared), folder.clone());
                std::thread::spawn(move || serve(&stream.unwrap(), &folder, &script));
            }
        });
        Server {
            address: format!("http://127.0.0.1:{port}"),
            script,
            port,
        }
    }

    /// The next `times` requests of paths that end so go wrong.
    pub fn fault(&self, end: &str, times: usize, fault: Fault) {
        let mut faults = self.script.faults.lock().unwrap();
        faults.insert(end.to_owned(), (times, fault));
    }

    /// What was asked since the last time.
    pub fn log(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.script.log.lock().unwrap())
    }

    pub fn count(&self, end: &str) -> usize {
        let log = self.script.log.lock().unwrap();
        log.iter().filter(|(path, _)| path.ends_with(end)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.script.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// The requests of one connection.
fn serve(stream: &TcpStream, folder: &Path, script: &Script) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut range = None;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 {
                return;
            }
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(bytes) = header.strip_prefix("range: bytes=") {
                range = Some(bytes.to_owned());
            }
        }
        if !answer(stream, folder, script, &path, range).unwrap_or(false) {
            return;
        }
    }
}

/// Whether the connection may be used again.
fn answer(
    mut stream: &TcpStream,
    folder: &Path,
    script: &Script,
    path: &str,
    range: Option<String>,
) -> std::io::Result<bool> {
    script
        .log
        .lock()
        .unwrap()
        .push((path.to_owned(), range.clone()));
    let file = path.split('?').next().unwrap();
    let fault = {
        let mut faults = script.faults.lock().unwrap();
        let found = faults
            .iter_mut()
            .find(|(end, (left, _))| *left > 0 && file.ends_with(&**end));
        found.map(|(_, (left, fault))| {
            *left -= 1;
            *fault
        })
    };
    match fault {
        Some(Fault::Closes) => return Ok(false),
        Some(Fault::Hangs) => {
            // Until the client has had enough.
            let mut rest = Vec::new();
            let _ = (&mut stream).take(1).read_to_end(&mut rest);
            return Ok(false);
        }
        Some(Fault::Status(status)) => {
            write!(
                stream,
                "HTTP/1.1 {status} Made\r\nContent-Length: 0\r\n\r\n"
            )?;
            return Ok(true);
        }
        Some(Fault::CutOff) | None => {}
    }
    if file.contains("/c/") {
        let now = script.now.fetch_add(1, Ordering::SeqCst) + 1;
        script.most.fetch_max(now, Ordering::SeqCst);
        let deadline = Instant::now() + Duration::from_secs(60);
        let meet = script.meet.load(Ordering::SeqCst);
        while script.most.load(Ordering::SeqCst) < meet && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        script.now.fetch_sub(1, Ordering::SeqCst);
    }
    let path: PathBuf = folder.join(file.trim_start_matches('/'));
    let Ok(bytes) = std::fs::read(&path) else {
        write!(
            stream,
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        )?;
        return Ok(true);
    };
    let range = range.filter(|_| !script.whole.load(Ordering::SeqCst));
    let (status, body) = match range.as_deref().map(|range| range.split_once('-').unwrap()) {
        None => ("200 OK", &bytes[..]),
        Some(("", last)) => {
            let last: usize = last.parse().unwrap();
            ("206 Partial", &bytes[bytes.len().saturating_sub(last)..])
        }
        Some((first, last)) => {
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            match bytes.get(first..bytes.len().min(last + 1)) {
                Some(body) => ("206 Partial", body),
                None => ("416 Range", &[][..]),
            }
        }
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    if matches!(fault, Some(Fault::CutOff)) {
        stream.write_all(&body[..body.len() / 2])?;
        return Ok(false);
    }
    stream.write_all(body)?;
    Ok(true)
}
