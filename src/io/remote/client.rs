//! Requests, and what is done when they fail.

use std::io::Read;
use std::time::Duration;

use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

#[cfg(feature = "s3")]
use super::s3::Bucket;
use crate::error::{BoxError, Error, Kind, Result};

/// The first pause between two tries; each one is twice as long as the last.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A server that wants a longer pause gets this one.
const LONGEST_ASKED: Duration = Duration::from_secs(30);
/// Connections that are kept for further requests.
const CONNECTIONS: usize = 64;

/// A place on a server, below which files are read: a URL of `http` or `https`, or a bucket of an S3-compatible store.
///
/// A request that fails for a reason that may pass (no connection, a timeout, the statuses 408, 429 and 5xx, a body that
/// ends early) is tried again, after pauses that grow. Errors name the URL and how often it was tried.
///
/// ```no_run
/// use std::time::Duration;
/// use flagstone::zarr::Remote;
///
/// let remote = Remote::http("https://data.example/model.zarr")?.retries(8).timeout(Duration::from_secs(20));
/// let t = remote.array("surface/temperature")?.array::<f32>()?;
/// println!("{}", t.mean(..).item()?);
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Remote {
    place: Place,
    retries: u32,
    timeout: Duration,
    agent: Agent,
}

#[derive(Clone)]
enum Place {
    /// A URL without a slash at its end.
    Url(String),
    #[cfg(feature = "s3")]
    Bucket(Box<Bucket>),
}

/// Which bytes of a file are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    Range { offset: u64, bytes: u64 },
    Last(u64),
}

/// Why a try failed.
struct Failure {
    why: BoxError,
    /// It may succeed if it is tried again, after a pause that the server asked for, if it did.
    passing: Option<Option<Duration>>,
}

impl Failure {
    fn lasting(why: impl Into<BoxError>) -> Failure {
        Failure {
            why: why.into(),
            passing: None,
        }
    }

    fn passing(why: impl Into<BoxError>) -> Failure {
        Failure {
            why: why.into(),
            passing: Some(None),
        }
    }
}

impl Remote {
    /// Files below a URL.
    ///
    /// # Errors
    /// If it is no URL of `http` or `https`.
    #[track_caller]
    pub fn http(url: impl AsRef<str>) -> Result<Remote> {
        let url = url.as_ref();
        let known = url
            .split_once("://")
            .is_some_and(|(scheme, rest)| matches!(scheme, "http" | "https") && !rest.is_empty());
        if !known || url.contains(['?', '#']) {
            return Err(Error::new(
                Kind::Value,
                format!("{url:?} is no URL of http or https without a query"),
            )
            .at(std::panic::Location::caller()));
        }
        Ok(Remote::new(Place::Url(
            url.trim_end_matches('/').to_owned(),
        )))
    }

    #[cfg(feature = "s3")]
    pub(super) fn bucket(bucket: Bucket) -> Remote {
        Remote::new(Place::Bucket(Box::new(bucket)))
    }

    fn new(place: Place) -> Remote {
        let timeout = Duration::from_secs(60);
        Remote {
            place,
            retries: 4,
            agent: agent(timeout),
            timeout,
        }
    }

    /// How often a request is tried again; 4 times by default.
    pub fn retries(mut self, retries: u32) -> Remote {
        self.retries = retries;
        self
    }

    /// How long one try may take, its body included; a minute by default.
    pub fn timeout(mut self, timeout: Duration) -> Remote {
        self.timeout = timeout;
        self.agent = agent(timeout);
        self
    }

    /// The URL of a file, as it stands in messages: without signatures.
    pub(crate) fn url(&self, key: &str) -> String {
        match &self.place {
            Place::Url(url) if key.is_empty() => url.clone(),
            Place::Url(url) => format!("{url}/{}", escaped(key)),
            #[cfg(feature = "s3")]
            Place::Bucket(bucket) => bucket.url(key),
        }
    }

    /// The URL that is asked.
    fn signed(&self, key: &str) -> String {
        match &self.place {
            Place::Url(_) => self.url(key),
            #[cfg(feature = "s3")]
            Place::Bucket(bucket) => bucket.signed(key),
        }
    }

    /// A part of a file; `None` if there is no such file. More than `most` bytes are an error, before they are held.
    pub(crate) fn get(
        &self,
        key: &str,
        part: Part,
        most: u64,
    ) -> Result<Option<Vec<u8>>, BoxError> {
        let mut pause = PAUSE;
        for tried in 0.. {
            let failure = match self.get_once(&self.signed(key), part, most) {
                Ok(found) => return Ok(found),
                Err(failure) => failure,
            };
            let asked = match failure.passing {
                Some(asked) if tried < self.retries => asked,
                _ => {
                    let what = match tried {
                        0 => format!("GET {}", self.url(key)),
                        _ => format!("GET {}, tried {} times", self.url(key), tried + 1),
                    };
                    return Err(Error::wrap(Kind::Io, what, failure.why).into());
                }
            };
            std::thread::sleep(asked.map_or(pause, |asked| asked.min(LONGEST_ASKED)));
            pause = LONGEST_PAUSE.min(2 * pause);
        }
        unreachable!("the last try returns")
    }

    fn get_once(&self, url: &str, part: Part, most: u64) -> Result<Option<Vec<u8>>, Failure> {
        let mut request = self.agent.get(url);
        match part {
            Part::Whole => {}
            Part::Range { bytes: 0, .. } | Part::Last(0) => return Ok(Some(Vec::new())),
            Part::Range { offset, bytes } => {
                let last = offset.saturating_add(bytes - 1);
                request = request.header("Range", format!("bytes={offset}-{last}"));
            }
            Part::Last(bytes) => request = request.header("Range", format!("bytes=-{bytes}")),
        }
        let response = request.call().map_err(|error| self.failed(error))?;
        let status = response.status();
        match status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => body(response, part, most).map(Some),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Err(refused(status, &response))
            }
            _ if status.is_server_error() => Err(refused(status, &response)),
            StatusCode::RANGE_NOT_SATISFIABLE => Err(Failure::lasting(format!(
                "the server has no such bytes of it: {part:?}"
            ))),
            _ => Err(Failure::lasting(format!("the server says {status}"))),
        }
    }

    fn failed(&self, error: ureq::Error) -> Failure {
        use ureq::Error as Cause;
        let why = match &error {
            Cause::Timeout(_) => format!("nothing within {:?}: {error}", self.timeout).into(),
            _ => BoxError::from(error.to_string()),
        };
        match error {
            Cause::Timeout(_)
            | Cause::Io(_)
            | Cause::Protocol(_)
            | Cause::HostNotFound
            | Cause::ConnectionFailed
            | Cause::ConnectProxyFailed(_) => Failure::passing(why),
            _ => Failure::lasting(why),
        }
    }
}

fn agent(timeout: Duration) -> Agent {
    Agent::config_builder()
        .timeout_per_call(Some(timeout))
        .http_status_as_error(false)
        .max_idle_connections(CONNECTIONS)
        .max_idle_connections_per_host(CONNECTIONS)
        .user_agent(concat!("flagstone/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn refused(status: StatusCode, response: &Response<Body>) -> Failure {
    let asked = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    Failure {
        why: format!("the server says {status}").into(),
        passing: Some(asked),
    }
}

/// The bytes that were wanted, from a response that has them or more.
fn body(response: Response<Body>, part: Part, most: u64) -> Result<Vec<u8>, Failure> {
    let whole = response.status() == StatusCode::OK;
    let length = response
        .headers()
        .get("content-length")
        .and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    // A server that knows no ranges sends everything: what is wanted lies within.
    let (skip, wanted) = match part {
        Part::Whole => (0, None),
        Part::Range { offset, bytes } => (if whole { offset } else { 0 }, Some(bytes)),
        Part::Last(bytes) if whole => {
            let Some(length) = length else {
                return Err(Failure::lasting(
                    "the server sends neither the end of it alone nor its length",
                ));
            };
            let bytes = bytes.min(length);
            (length - bytes, Some(bytes))
        }
        Part::Last(bytes) => (0, Some(bytes)),
    };
    let coming = wanted.or(length.map(|length| length.saturating_sub(skip)));
    if coming.is_some_and(|coming| coming > most) {
        return Err(Failure::lasting(format!(
            "it has {} bytes, and {most} are the most that there can be",
            coming.unwrap_or(0)
        )));
    }
    let ended = |error: std::io::Error| Failure::passing(format!("its body: {error}"));
    let mut reader = response.into_body().into_reader();
    let skipped =
        std::io::copy(&mut (&mut reader).take(skip), &mut std::io::sink()).map_err(ended)?;
    if skipped < skip {
        return Err(Failure::passing(format!("it ended after {skipped} bytes")));
    }
    let limit = wanted.unwrap_or(most.saturating_add(1));
    let mut bytes = Vec::with_capacity(coming.unwrap_or(0).min(most) as usize);
    reader.take(limit).read_to_end(&mut bytes).map_err(ended)?;
    let found = bytes.len() as u64;
    if found > most {
        return Err(Failure::lasting(format!(
            "it has more than {most} bytes, which are the most that there can be"
        )));
    }
    if let Some(expected) = coming
        && found < expected
        // The end of a shorter file is all of it; who wanted more will see.
        && !matches!(part, Part::Last(_))
    {
        return Err(Failure::passing(format!(
            "it ended after {found} of {expected} bytes"
        )));
    }
    Ok(bytes)
}

/// A path with what has no place in a URL written as `%XX`.
fn escaped(key: &str) -> String {
    let mut path = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                path.push(char::from(byte));
            }
            _ => path += &format!("%{byte:02X}"),
        }
    }
    path
}
