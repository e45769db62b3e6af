//! The two ends of a worker process.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use super::function::Registered;
use super::wire;
use crate::error::{Error, Kind, Result};

/// The argument that makes the program a worker. Its standard input is a socket then.
const WORKER: &str = "--flagstone-worker-process";

type Table = HashMap<&'static str, &'static dyn Registered>;

static FUNCTIONS: OnceLock<Table> = OnceLock::new();

pub fn init(functions: &[&'static dyn Registered]) {
    let mut table = Table::new();
    for &function in functions {
        let other = table.insert(function.name(), function);
        assert!(
            other.is_none(),
            "two functions have the name {:?}",
            function.name()
        );
    }
    let first = FUNCTIONS.set(table).is_ok();
    assert!(first, "`task::process::init` was called twice");
    if std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == WORKER)
    {
        let code = match serve() {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("a worker process ends: {error}");
                1
            }
        };
        std::process::exit(code);
    }
}

/// The functions, if `init` was called.
pub fn functions() -> Option<&'static Table> {
    FUNCTIONS.get()
}

/// Calls what is asked for until the other side closes.
fn serve() -> io::Result<()> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    loop {
        let request = match wire::read(&mut socket) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        };
        wire::write(&mut socket, &[&[wire::STARTED]])?;
        let (kind, answer) = answer(&request);
        wire::write(&mut socket, &[&[kind], &answer])?;
    }
}

fn answer(request: &[u8]) -> (u8, Vec<u8>) {
    let Ok((name, argument)) = postcard::take_from_bytes::<&str>(request) else {
        return (wire::ERROR, b"a request that cannot be read".to_vec());
    };
    let Some(function) = functions().and_then(|table| table.get(name)) else {
        let message = format!("no function has the name {name:?}");
        return (wire::ERROR, message.into_bytes());
    };
    match catch_unwind(AssertUnwindSafe(|| function.call_encoded(argument))) {
        Ok(Ok(result)) => (wire::RESULT, result),
        Ok(Err(error)) => (wire::ERROR, error.to_string().into_bytes()),
        Err(payload) => {
            let message = Error::from_panic(payload).to_string();
            (wire::PANIC, message.into_bytes())
        }
    }
}

/// A worker process, seen from outside. Dropped, it is ended.
pub struct Worker {
    child: Child,
    socket: UnixStream,
}

/// How a request ended without an answer.
pub enum Lost {
    /// Before the function was called: it may be asked of another worker.
    Unasked,
    /// While it ran.
    Running(Error),
}

impl Worker {
    pub fn spawn() -> Result<Worker> {
        let failed =
            |error: io::Error| Error::wrap(Kind::Io, "starting a worker process", Box::new(error));
        let (socket, other) = UnixStream::pair().map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        let child = Command::new(program)
            .arg(WORKER)
            .stdin(Stdio::from(OwnedFd::from(other)))
            .spawn()
            .map_err(failed)?;
        Ok(Worker { child, socket })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks for a call and waits for its result, which is still encoded. After `Err` the worker is of no use.
    pub fn call(&mut self, name: &[u8], argument: &[u8]) -> Result<Result<Vec<u8>>, Lost> {
        let written = wire::write(&mut self.socket, &[name, argument]);
        if written.and_then(|()| wire::read(&mut self.socket)).is_err() {
            return Err(Lost::Unasked);
        }
        match wire::read(&mut self.socket) {
            Ok(mut answer) if !answer.is_empty() => Ok(match answer.remove(0) {
                wire::RESULT => Ok(answer),
                wire::PANIC => Err(Error::new(Kind::Panic, text(&answer))),
                _ => Err(Error::new(Kind::Task, text(&answer))),
            }),
            _ => Err(Lost::Running(self.obituary())),
        }
    }

    /// What became of a worker that does not answer any more.
    fn obituary(&mut self) -> Error {
        // It may have closed its socket and live on.
        let _ = self.child.kill();
        let how = self.child.wait().map_or_else(|_| "ended".to_owned(), how);
        let message = format!("the worker process {} {how}", self.child.id());
        Error::new(Kind::Task, message)
    }
}

fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, Some(code)) => format!("ended with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
