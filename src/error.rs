//! One opaque error that carries the facts.
//!
//! Layers construct an [`Error`] with a [`Kind`] and a sentence that names the values at fault; on the
//! way up, others add what they alone know: the user's source line, the op, the block, the path.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// The result of everything in Flagstone that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a user's own code (a source, a block function) may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What kind of mistake or failure an [`Error`] is; the predicates of `Error` tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Shape,
    Axis,
    Chunks,
    Slice,
    Dtype,
    Value,
    /// A file, a source or a sink failed.
    Io,
    /// A user's closure, block function, reducer or source panicked.
    Panic,
    Cancelled,
    /// A user's function returned an error, or its process ended.
    Task,
    /// The memory budget cannot hold the computation.
    Memory,
    /// Flagstone broke one of its own rules.
    Internal,
}

/// Why a computation could not be built or did not finish.
///
/// Cheap to clone. `Debug` and `Display` print the same text, so that a `main` that returns a
/// `Result` prints a readable sentence. Building an array never panics on bad input: the array
/// carries the error, with the file and line of the call that made it, until
/// [`compute`](crate::Array::compute), [`check`](crate::Array::check) or a store returns it.
///
/// ```
/// use flagstone::Array;
///
/// let a = Array::<f64>::zeros([3, 4], ..);
/// let b = Array::<f64>::zeros([5, 4], ..);
/// let error = (a + b).compute().unwrap_err();
/// assert!(error.is_shape());
/// assert!(error.to_string().contains("[3, 4] and [5, 4]"));
/// ```
#[derive(Clone)]
pub struct Error(Arc<Facts>);

#[derive(Clone)]
struct Facts {
    kind: Kind,
    message: String,
    /// Outermost last: "in block [0, 3] of map_blocks", "reading data/x.npy".
    context: Vec<String>,
    location: Option<&'static Location<'static>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync + 'static>>,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error(Arc::new(Facts {
            kind,
            message: message.into(),
            context: Vec::new(),
            location: None,
            source: None,
        }))
    }

    /// Wraps the failure of a user's source, sink or block function.
    pub(crate) fn wrap(kind: Kind, message: impl Into<String>, source: BoxError) -> Error {
        // An `Error` of our own that passed through user code keeps its kind and its facts.
        let source = match source.downcast::<Error>() {
            Ok(own) => return own.context(message),
            Err(other) => other,
        };
        let mut error = Error::new(kind, message);
        error.facts().source = Some(Arc::from(source));
        error
    }

    /// The error of a panic payload, as `std::panic::catch_unwind` gives it.
    pub(crate) fn from_panic(payload: Box<dyn std::any::Any + Send>) -> Error {
        let payload = match payload.downcast::<Error>() {
            Ok(own) => return *own,
            Err(other) => other,
        };
        let text = payload
            .downcast_ref::<&'static str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a value that is not text".to_owned());
        Error::new(Kind::Panic, format!("panicked: {text}"))
    }

    /// Adds where it happened; the first call is the innermost.
    pub(crate) fn context(mut self, what: impl Into<String>) -> Error {
        self.facts().context.push(what.into());
        self
    }

    /// Adds the user's source line, unless one is known.
    pub(crate) fn at(mut self, location: &'static Location<'static>) -> Error {
        self.facts().location.get_or_insert(location);
        self
    }

    fn facts(&mut self) -> &mut Facts {
        Arc::make_mut(&mut self.0)
    }

    /// Shapes that do not fit together, or a shape that cannot exist.
    pub fn is_shape(&self) -> bool {
        self.0.kind == Kind::Shape
    }

    /// An axis that the array does not have, or one named twice.
    pub fn is_axis(&self) -> bool {
        self.0.kind == Kind::Axis
    }

    /// A chunk specification that does not fit its axis.
    pub fn is_chunks(&self) -> bool {
        self.0.kind == Kind::Chunks
    }

    /// A slice or index outside of the array, or with a step of zero.
    pub fn is_slice(&self) -> bool {
        self.0.kind == Kind::Slice
    }

    /// An operation that has no meaning for the element type.
    pub fn is_dtype(&self) -> bool {
        self.0.kind == Kind::Dtype
    }

    /// An argument outside of its domain, or a reduction that has no value (`min` of nothing).
    pub fn is_value(&self) -> bool {
        self.0.kind == Kind::Value
    }

    /// A file, source or sink that failed; [`source`](std::error::Error::source) has the cause.
    pub fn is_io(&self) -> bool {
        self.0.kind == Kind::Io
    }

    /// A panic in a closure, block function, reducer or source.
    pub fn is_panic(&self) -> bool {
        self.0.kind == Kind::Panic
    }

    /// A function that was run as a task returned an error, or the process in which it ran ended;
    /// [`source`](std::error::Error::source) has the cause, if there is one.
    pub fn is_task(&self) -> bool {
        self.0.kind == Kind::Task
    }

    /// The computation was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.kind == Kind::Cancelled
    }

    /// The memory budget cannot hold the computation; nothing has run.
    pub fn is_memory(&self) -> bool {
        self.0.kind == Kind::Memory
    }

    /// The file and line of the user's call that made the mistake, where it is known.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.0.location
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        for context in &self.0.context {
            write!(f, ", {context}")?;
        }
        if let Some(at) = self.0.location {
            write!(f, " (at {}:{}:{})", at.file(), at.line(), at.column())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Error {
        match never {}
    }
}
