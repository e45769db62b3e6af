//! A page that shows computations while they run.
//!
//! A server of its own on the standard library: it answers four paths, reads nothing but a request's head, and must
//! drop whoever is slow, for which it needs the socket. Of HTTP it takes the parser of a crate.

mod http;
mod live;

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use self::http::Refusal;
use self::live::{Live, Seen};
use super::xml::fill;
use crate::error::{Error, Kind, Result};
use crate::exec::Observer;

const PAGE: &str = include_str!("live.html");
const STYLE: &str = include_str!("../html/style.css");
const SCRIPT: &str = include_str!("live.js");

/// Pages that look at the same time; more are turned away.
const MOST_CONNECTIONS: usize = 32;
/// From one message to a page to the next.
const INTERVAL: Duration = Duration::from_millis(250);

/// A live page, as long as this is kept; see [`Engine::serve`](crate::Engine::serve).
#[must_use = "the page is served as long as this is kept"]
pub struct Serving {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    live: Arc<Live>,
    stop: AtomicBool,
    connections: Mutex<HashMap<u64, TcpStream>>,
    next: AtomicU64,
    changed: Condvar,
}

/// Starts serving on an address, which must be the machine's own if `loopback_only`; and the observer that must be
/// told of what runs.
pub fn serve(
    address: impl ToSocketAddrs,
    loopback_only: bool,
    budget: u64,
    threads: usize,
) -> Result<(Serving, Arc<dyn Observer>)> {
    let failed =
        |what: String| move |error: io::Error| Error::wrap(Kind::Io, what, Box::new(error));
    let addresses: Vec<SocketAddr> = address
        .to_socket_addrs()
        .map_err(failed("looking up the address of a live page".to_owned()))?
        .collect();
    if let Some(open) = addresses.iter().find(|address| !address.ip().is_loopback())
        && loopback_only
    {
        return Err(Error::new(
            Kind::Value,
            format!(
                "a live page on {open} could be seen by other machines; serve on 127.0.0.1, or say so with \
                 `serve_to_network`"
            ),
        ));
    }
    let listener = TcpListener::bind(&addresses[..])
        .map_err(failed(format!("serving a live page on {addresses:?}")))?;
    let address = listener
        .local_addr()
        .map_err(failed("serving a live page".to_owned()))?;
    let live = Arc::new(Live::new(budget, threads));
    let shared = Arc::new(Shared {
        live: Arc::clone(&live),
        stop: AtomicBool::new(false),
        connections: Mutex::default(),
        next: AtomicU64::new(0),
        changed: Condvar::new(),
    });
    let accepting = std::thread::Builder::new()
        .name("flagstone-serve".to_owned())
        .spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener)
        })
        .map_err(failed("starting a thread for a live page".to_owned()))?;
    let serving = Serving {
        address,
        shared,
        accepting: Some(accepting),
    };
    Ok((serving, live))
}

impl Serving {
    /// Where the page is: `http://127.0.0.1:8787/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The address and the port, which the system chose if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Serving {
    /// Nobody is served any more when this returns.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // It waits for a connection: this is one.
        let mut own = self.address;
        if own.ip().is_unspecified() {
            own.set_ip(match own.ip() {
                std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        let woken = TcpStream::connect_timeout(&own, Duration::from_secs(1)).is_ok();
        if let Some(accepting) = self.accepting.take()
            && woken
        {
            // A panic there has been reported where it happened.
            let _ = accepting.join();
        }
        let mut connections = lock(&self.shared.connections);
        for stream in connections.values() {
            // Fails if the other side was faster.
            let _ = stream.shutdown(Shutdown::Both);
        }
        while !connections.is_empty() {
            self.shared.changed.notify_all();
            connections = self
                .shared
                .changed
                .wait_timeout(connections, INTERVAL)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Shared>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else {
                // Out of file handles, for one: it does not help to ask again at once.
                std::thread::sleep(INTERVAL);
                continue;
            };
            self.begin(stream);
        }
    }

    /// Answers in a thread of its own.
    fn begin(self: &Arc<Shared>, stream: TcpStream) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Ok(for_stopping) = stream.try_clone() else {
            return;
        };
        {
            let mut connections = lock(&self.connections);
            if connections.len() >= MOST_CONNECTIONS {
                return;
            }
            connections.insert(number, for_stopping);
        }
        let shared = Arc::clone(self);
        let spawned = std::thread::Builder::new()
            .name("flagstone-page".to_owned())
            .spawn(move || {
                let _connection = Connection {
                    shared: &shared,
                    number,
                };
                // An error is the other side's: it went away, or it is too slow.
                let _ = shared.talk(stream);
            });
        if spawned.is_err() {
            lock(&self.connections).remove(&number);
        }
    }

    fn talk(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_write_timeout(Some(http::WRITE_PATIENCE))?;
        stream.set_nodelay(true)?;
        let path = match http::read_request(&mut stream)? {
            Ok(path) => path,
            Err(refusal) => return http::refuse(&mut stream, refusal),
        };
        match path.as_str() {
            "/" => http::answer(&mut stream, "text/html; charset=utf-8", &page()),
            "/state" => {
                let state = self.live.message(&mut Seen::default());
                http::answer(&mut stream, "application/json", &state)
            }
            "/events" => self.send_events(&mut stream),
            _ => {
                let run = path
                    .strip_prefix("/plan/")
                    .and_then(|rest| rest.strip_suffix(".svg"))
                    .and_then(|run| run.parse().ok());
                match run.and_then(|run| self.live.plan(run)) {
                    Some(svg) => http::answer(&mut stream, "image/svg+xml", &svg),
                    None => http::refuse(&mut stream, Refusal::NotFound),
                }
            }
        }
    }

    fn send_events(&self, stream: &mut TcpStream) -> io::Result<()> {
        http::begin_events(stream)?;
        let mut seen = Seen::default();
        loop {
            http::send_event(stream, &self.live.message(&mut seen))?;
            let connections = lock(&self.connections);
            if self.stop.load(Ordering::SeqCst) {
                return Ok(());
            }
            drop(
                self.changed
                    .wait_timeout(connections, INTERVAL)
                    .unwrap_or_else(PoisonError::into_inner),
            );
            if self.stop.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
    }
}

/// A page that is being served; gone when its thread is, however that ends.
struct Connection<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        lock(&self.shared.connections).remove(&self.number);
        if self.shared.stop.load(Ordering::SeqCst) {
            self.shared.changed.notify_all();
        }
    }
}

fn page() -> String {
    fill(
        PAGE,
        &[
            ("style", STYLE),
            ("script", SCRIPT),
            ("version", env!("CARGO_PKG_VERSION")),
        ],
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
