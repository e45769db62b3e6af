//! As much of HTTP as a page that is only looked at needs: GET, answers, and a stream of events.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

/// A longer head of a request is refused.
const MOST_HEAD: usize = 8 << 10;
/// For a request's head to arrive.
const PATIENCE: Duration = Duration::from_secs(5);
/// For a part of an answer to be taken: slower readers are dropped.
pub const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// Why a request is not answered with what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    BadRequest,
    /// Sent by a page of another name that claims to be ours.
    WrongHost,
    MethodNotAllowed,
    NotFound,
    TooLarge,
}

impl Refusal {
    fn status(self) -> &'static str {
        match self {
            Refusal::BadRequest => "400 Bad Request",
            Refusal::WrongHost => "403 Forbidden",
            Refusal::MethodNotAllowed => "405 Method Not Allowed",
            Refusal::NotFound => "404 Not Found",
            Refusal::TooLarge => "431 Request Header Fields Too Large",
        }
    }
}

/// Reads a request's head; the path that it asks for.
pub fn read_request(stream: &mut TcpStream) -> io::Result<Result<String, Refusal>> {
    let deadline = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&buffer[..n]);
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            return Ok(path_of(&head));
        }
        if head.len() > MOST_HEAD {
            return Ok(Err(Refusal::TooLarge));
        }
    }
}

/// The path of a request that may be answered.
pub fn path_of(head: &[u8]) -> Result<String, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        _ => return Err(Refusal::BadRequest),
    }
    let mut hosts = request
        .headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("host"));
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Refusal::BadRequest);
    };
    let host = std::str::from_utf8(host.value).map_err(|_| Refusal::BadRequest)?;
    if !is_our_host(host) {
        return Err(Refusal::WrongHost);
    }
    if request.method != Some("GET") {
        return Err(Refusal::MethodNotAllowed);
    }
    let path = request.path.ok_or(Refusal::BadRequest)?;
    Ok(path.split(['?', '#']).next().unwrap_or("/").to_owned())
}

/// A page of another site whose name was made to point here ("DNS rebinding") says that name. Addresses and
/// `localhost` cannot be made to point elsewhere.
fn is_our_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// What all answers have: nobody else may frame, store or embed them, and the page may load only from here.
const COMMON: &str = "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
     Cross-Origin-Resource-Policy: same-origin\r\nContent-Security-Policy: default-src 'none'; connect-src 'self'; \
     img-src 'self' data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'\r\n\
     Connection: close\r\n";

pub fn answer(stream: &mut TcpStream, kind: &str, body: &str) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{COMMON}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

pub fn refuse(stream: &mut TcpStream, refusal: Refusal) -> io::Result<()> {
    let status = refusal.status();
    let allow = match refusal {
        Refusal::MethodNotAllowed => "Allow: GET\r\n",
        _ => "",
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n{allow}{COMMON}\r\n{status}",
        status.len()
    )
}

/// The beginning of a stream of server-sent events.
pub fn begin_events(stream: &mut TcpStream) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{COMMON}\r\n"
    )
}

/// One event; the data has no line breaks.
pub fn send_event(stream: &mut TcpStream, data: &str) -> io::Result<()> {
    write!(stream, "data: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(head: &str) -> Result<String, Refusal> {
        path_of(head.as_bytes())
    }

    #[test]
    fn requests() {
        let get = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(path(&get("/a?b", "localhost:80")), Ok("/a".to_owned()));
        assert_eq!(path(&get("/", "127.0.0.1:8080")), Ok("/".to_owned()));
        assert_eq!(path(&get("/", "[::1]:8080")), Ok("/".to_owned()));
        for host in [
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "",
            "localhost.evil",
        ] {
            assert_eq!(path(&get("/", host)), Err(Refusal::WrongHost), "{host}");
        }
        assert_eq!(
            path("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            Err(Refusal::MethodNotAllowed)
        );
        assert_eq!(path("GET / HTTP/1.1\r\n\r\n"), Err(Refusal::BadRequest));
        let two = "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n";
        assert_eq!(path(two), Err(Refusal::BadRequest));
        assert_eq!(path("\0\r\n\r\n"), Err(Refusal::BadRequest));
    }
}
