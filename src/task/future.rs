//! Results that will be there some time.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

pub use super::home::Home;
use super::waiting;
use super::watch::Watch;
use crate::error::{Error, Kind, Result};
use crate::exec::{Call, Cancel};

/// The result of a call that was [submitted](super::Pool::submit), when it is there.
///
/// [`get`](Future::get) waits for it; so does `.await`, in code that is async. [`then`](Future::then) submits what is to be
/// done with it. A future that can be cloned (its result can) gives each clone the result.
///
/// Dropping the last future of a call that has not started cancels the call; [`detach`](Future::detach) lets it run.
///
/// ```
/// use flagstone::task;
///
/// let answer = task::submit(|| 42);
/// assert_eq!(answer.clone().get()?, 42);
/// let error = answer.then(|n| n / 0_i32.min(n)).get().unwrap_err();
/// assert!(error.is_panic());
/// # Ok::<(), flagstone::Error>(())
/// ```
#[must_use = "a future that is dropped cancels its call; `detach` lets it run"]
pub struct Future<R> {
    call: Arc<dyn Promise<R>>,
}

impl<R> fmt::Debug for Future<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Future")
            .field("is_ready", &self.call.is_done())
            .finish()
    }
}

/// A call as those see it who wait for its end.
pub trait Node: Send + Sync {
    fn is_done(&self) -> bool;

    /// Whether it runs or has run.
    fn is_claimed(&self) -> bool;

    /// Runs it here and now, unless it is claimed. Its inputs must be done.
    fn run_here(self: Arc<Self>, worker: usize);

    /// The calls that must be done before it.
    fn inputs(&self, found: &mut Vec<Arc<dyn Node>>);

    /// Wakes once it is done; `false` if it is already.
    fn listen(&self, waker: &Waker) -> bool;

    /// Where it runs; `None` for what never needs to.
    fn home(&self) -> Option<&Arc<Home>>;
}

/// A call as those see it who hold its futures.
trait Promise<R>: Node {
    /// The result, which must be there; moved out, or cloned if other futures want it too.
    fn take(&self) -> Result<R>;
    fn add_handle(&self, clone: Option<fn(&R) -> R>);
    /// A future is dropped.
    fn drop_handle(&self);
    fn cancel(&self) -> bool;
    fn as_node(self: Arc<Self>) -> Arc<dyn Node>;
}

/// What a call waits for and is given the results of: `()`, a [`Future`], a tuple or a `Vec` of them.
pub trait Inputs: Send + 'static {
    /// The results, in the same arrangement.
    type Values;

    #[doc(hidden)]
    fn nodes(&self, found: &mut Vec<Arc<dyn Node>>);

    #[doc(hidden)]
    fn take(self) -> Result<Self::Values>;
}

impl Inputs for () {
    type Values = ();

    fn nodes(&self, _: &mut Vec<Arc<dyn Node>>) {}

    fn take(self) -> Result<()> {
        Ok(())
    }
}

impl<R: Send + 'static> Inputs for Future<R> {
    type Values = R;

    fn nodes(&self, found: &mut Vec<Arc<dyn Node>>) {
        found.push(Arc::clone(&self.call).as_node());
    }

    fn take(self) -> Result<R> {
        self.call.take()
    }
}

impl<A: Inputs> Inputs for Vec<A> {
    type Values = Vec<A::Values>;

    fn nodes(&self, found: &mut Vec<Arc<dyn Node>>) {
        self.iter().for_each(|one| one.nodes(found));
    }

    fn take(self) -> Result<Vec<A::Values>> {
        self.into_iter().map(A::take).collect()
    }
}

/// One row per number of futures.
macro_rules! inputs {
    ($(($($name:ident $at:tt)+))*) => {$(
        impl<$($name: Inputs),+> Inputs for ($($name,)+) {
            type Values = ($($name::Values,)+);

            fn nodes(&self, found: &mut Vec<Arc<dyn Node>>) {
                $(self.$at.nodes(found);)+
            }

            fn take(self) -> Result<Self::Values> {
                Ok(($(self.$at.take()?,)+))
            }
        }
    )*};
}
inputs! {
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
}

/// A submitted call, its inputs and its result: one allocation.
struct Submitted<A, F, R> {
    home: Arc<Home>,
    blocking: bool,
    at: &'static Location<'static>,
    cancel: Option<Cancel>,
    /// Pulled when nobody wants the result, for calls that look at it while they run.
    stop: Option<Cancel>,
    /// Inputs that are not done, and one more while they are being counted.
    pending: AtomicUsize,
    state: Mutex<State<A, F, R>>,
}

struct State<A, F, R> {
    phase: Phase<A, F, R>,
    /// Futures that hold it.
    handles: usize,
    wakers: Vec<Waker>,
    clone: Option<fn(&R) -> R>,
}

enum Phase<A, F, R> {
    New(A, F),
    Running,
    Done(Result<R>),
    Taken,
}

impl<A, F, R> Submitted<A, F, R>
where
    A: Inputs,
    F: FnOnce(A::Values) -> Result<R> + Send + 'static,
    R: Send + 'static,
{
    fn state(&self) -> MutexGuard<'_, State<A, F, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, worker: usize) {
        let (inputs, function) = {
            let mut state = self.state();
            match std::mem::replace(&mut state.phase, Phase::Running) {
                Phase::New(inputs, function) => (inputs, function),
                other => {
                    state.phase = other;
                    return;
                }
            }
        };
        let result = self.result(inputs, function, worker);
        self.finish(result.map_err(|error| error.at(self.at)));
    }

    fn result(&self, inputs: A, function: F, worker: usize) -> Result<R> {
        if self.cancel.as_ref().is_some_and(Cancel::is_cancelled) {
            bury((inputs, function));
            return Err(cancelled());
        }
        let watch = Watch::start(&self.home, "submit", 1);
        watch.started(0, worker);
        let outcome = catch_unwind(AssertUnwindSafe(|| function(inputs.take()?)))
            .unwrap_or_else(|payload| Err(Error::from_panic(payload).context("in a task")));
        match &outcome {
            Ok(_) => watch.finished(0, worker),
            Err(error) => watch.failed(0, worker, || error.to_string()),
        }
        watch.ended(outcome.is_ok());
        outcome
    }

    fn finish(&self, result: Result<R>) {
        let (unwanted, wakers) = {
            let mut state = self.state();
            let unwanted = match state.handles {
                0 => {
                    state.phase = Phase::Taken;
                    Some(result)
                }
                _ => {
                    state.phase = Phase::Done(result);
                    None
                }
            };
            (unwanted, std::mem::take(&mut state.wakers))
        };
        // Others' code, which may panic; nobody is there to be told.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unwanted)));
        for waker in wakers {
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }

    /// Takes the call away if it has not started.
    fn withdraw(&self, phase: Phase<A, F, R>) -> bool {
        let (gone, wakers) = {
            let mut state = self.state();
            if !matches!(state.phase, Phase::New(..)) {
                return false;
            }
            let gone = std::mem::replace(&mut state.phase, phase);
            (gone, std::mem::take(&mut state.wakers))
        };
        if let Phase::New(inputs, function) = gone {
            bury((inputs, function));
        }
        wakers.into_iter().for_each(Waker::wake);
        true
    }

    fn enqueue(self: Arc<Self>) {
        let home = Arc::clone(&self.home);
        if self.blocking {
            home.push_blocking(self);
        } else {
            home.push(self);
        }
    }
}

fn cancelled() -> Error {
    Error::new(Kind::Cancelled, "the task was cancelled")
}

impl<A, F, R> Call for Submitted<A, F, R>
where
    A: Inputs,
    F: FnOnce(A::Values) -> Result<R> + Send + 'static,
    R: Send + 'static,
{
    fn run(self: Arc<Self>, worker: usize) {
        Submitted::run(&self, worker);
    }
}

/// An input is done.
impl<A, F, R> Wake for Submitted<A, F, R>
where
    A: Inputs,
    F: FnOnce(A::Values) -> Result<R> + Send + 'static,
    R: Send + 'static,
{
    fn wake(self: Arc<Self>) {
        if self.pending.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.enqueue();
        }
    }
}

impl<A, F, R> Node for Submitted<A, F, R>
where
    A: Inputs,
    F: FnOnce(A::Values) -> Result<R> + Send + 'static,
    R: Send + 'static,
{
    fn is_done(&self) -> bool {
        matches!(self.state().phase, Phase::Done(_) | Phase::Taken)
    }

    fn is_claimed(&self) -> bool {
        !matches!(self.state().phase, Phase::New(..))
    }

    fn run_here(self: Arc<Self>, worker: usize) {
        Submitted::run(&self, worker);
    }

    fn inputs(&self, found: &mut Vec<Arc<dyn Node>>) {
        if let Phase::New(inputs, _) = &self.state().phase {
            inputs.nodes(found);
        }
    }

    fn listen(&self, waker: &Waker) -> bool {
        let mut state = self.state();
        if matches!(state.phase, Phase::Done(_) | Phase::Taken) {
            return false;
        }
        if !state.wakers.iter().any(|other| other.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        true
    }

    fn home(&self) -> Option<&Arc<Home>> {
        Some(&self.home)
    }
}

impl<A, F, R> Promise<R> for Submitted<A, F, R>
where
    A: Inputs,
    F: FnOnce(A::Values) -> Result<R> + Send + 'static,
    R: Send + 'static,
{
    fn take(&self) -> Result<R> {
        let mut state = self.state();
        if let (Phase::Done(result), Some(clone), true) =
            (&state.phase, state.clone, state.handles > 1)
        {
            return match result {
                Ok(value) => Ok(clone(value)),
                Err(error) => Err(error.clone()),
            };
        }
        match std::mem::replace(&mut state.phase, Phase::Taken) {
            Phase::Done(result) => result,
            _ => panic!("a future's result was taken before: a future must not be polled again"),
        }
    }

    fn add_handle(&self, clone: Option<fn(&R) -> R>) {
        let mut state = self.state();
        state.handles += 1;
        state.clone = state.clone.or(clone);
    }

    fn drop_handle(&self) {
        let result = {
            let mut state = self.state();
            state.handles -= 1;
            if state.handles > 0 {
                return;
            }
            match state.phase {
                Phase::Done(_) => std::mem::replace(&mut state.phase, Phase::Taken),
                _ => Phase::Taken,
            }
        };
        drop(result);
        self.withdraw(Phase::Taken);
        if let Some(stop) = &self.stop {
            stop.cancel();
        }
    }

    fn cancel(&self) -> bool {
        if let Some(stop) = &self.stop {
            stop.cancel();
        }
        self.withdraw(Phase::Done(Err(cancelled().at(self.at))))
    }

    fn as_node(self: Arc<Self>) -> Arc<dyn Node> {
        self
    }
}

/// A result that was there from the beginning: of an engine that could not be made.
struct Settled<R>(Mutex<Option<Result<R>>>);

impl<R: Send> Node for Settled<R> {
    fn is_done(&self) -> bool {
        true
    }

    fn is_claimed(&self) -> bool {
        true
    }

    fn run_here(self: Arc<Self>, _: usize) {}

    fn inputs(&self, _: &mut Vec<Arc<dyn Node>>) {}

    fn listen(&self, _: &Waker) -> bool {
        false
    }

    fn home(&self) -> Option<&Arc<Home>> {
        None
    }
}

impl<R: Send + 'static> Promise<R> for Settled<R> {
    fn take(&self) -> Result<R> {
        let mut result = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*result {
            Some(Err(error)) => Err(error.clone()),
            _ => result.take().expect("a result is taken once"),
        }
    }

    fn add_handle(&self, _: Option<fn(&R) -> R>) {}

    fn drop_handle(&self) {}

    fn cancel(&self) -> bool {
        false
    }

    fn as_node(self: Arc<Self>) -> Arc<dyn Node> {
        self
    }
}

thread_local! {
    /// What is being dropped on this thread, while something is.
    static GRAVES: RefCell<Option<Vec<Box<dyn Any>>>> = const { RefCell::new(None) };
}

/// Drops a call that will not run. It may hold the last future of another, and so on for a million calls: each
/// waits here until the one before has been dropped, instead of being dropped inside of it.
fn bury<T: 'static>(call: T) {
    let mut next: Option<Box<dyn Any>> = Some(Box::new(call));
    // At the end of a thread there is no list any more: dropped at once, then.
    let _ = GRAVES.try_with(|graves| match &mut *graves.borrow_mut() {
        Some(graves) => graves.extend(next.take()),
        closed => *closed = Some(Vec::new()),
    });
    while let Some(call) = next {
        // A panic of a drop must not leave the list open.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(call)));
        let more = GRAVES.try_with(|graves| {
            let mut graves = graves.borrow_mut();
            let more = graves.as_mut().and_then(Vec::pop);
            if more.is_none() {
                *graves = None;
            }
            more
        });
        next = more.ok().flatten();
    }
}

impl<R: Send + 'static> Future<R> {
    #[track_caller]
    pub(super) fn submit<A: Inputs>(
        home: &Arc<Home>,
        cancel: Option<Cancel>,
        inputs: A,
        function: impl FnOnce(A::Values) -> R + Send + 'static,
    ) -> Future<R> {
        let function = move |values| Ok(function(values));
        Future::new(home, false, cancel, None, inputs, function)
    }

    #[track_caller]
    pub(super) fn submit_blocking(
        home: &Arc<Home>,
        cancel: Option<Cancel>,
        function: impl FnOnce() -> Result<R> + Send + 'static,
    ) -> Future<R> {
        Future::new(home, true, cancel, None, (), move |()| function())
    }

    /// A call that may fail, and looks at `stop` while it runs.
    #[track_caller]
    pub(super) fn start(
        home: &Arc<Home>,
        cancel: Option<Cancel>,
        stop: Option<Cancel>,
        function: impl FnOnce() -> Result<R> + Send + 'static,
    ) -> Future<R> {
        Future::new(home, false, cancel, stop, (), move |()| function())
    }

    #[track_caller]
    fn new<A: Inputs>(
        home: &Arc<Home>,
        blocking: bool,
        cancel: Option<Cancel>,
        stop: Option<Cancel>,
        inputs: A,
        function: impl FnOnce(A::Values) -> Result<R> + Send + 'static,
    ) -> Future<R> {
        let mut nodes = Vec::new();
        inputs.nodes(&mut nodes);
        // Two futures of one call are one input.
        let address = |node: &Arc<dyn Node>| Arc::as_ptr(node).cast::<()>();
        nodes.sort_by_key(address);
        nodes.dedup_by_key(|node| address(node));
        let call = Arc::new(Submitted {
            home: Arc::clone(home),
            blocking,
            at: Location::caller(),
            cancel,
            stop,
            pending: AtomicUsize::new(nodes.len() + 1),
            state: Mutex::new(State {
                phase: Phase::New(inputs, function),
                handles: 1,
                wakers: Vec::new(),
                clone: None,
            }),
        });
        if nodes.is_empty() {
            Arc::clone(&call).enqueue();
        } else {
            let waker = Waker::from(Arc::clone(&call));
            let done = nodes.iter().filter(|node| !node.listen(&waker)).count();
            if call.pending.fetch_sub(done + 1, Ordering::SeqCst) == done + 1 {
                Arc::clone(&call).enqueue();
            }
        }
        Future { call }
    }

    pub(super) fn failed(error: Error) -> Future<R> {
        Future {
            call: Arc::new(Settled(Mutex::new(Some(Err(error))))),
        }
    }

    pub(super) fn node(&self) -> Arc<dyn Node> {
        Arc::clone(&self.call).as_node()
    }

    pub(super) fn take_now(self) -> Result<R> {
        self.call.take()
    }

    /// Waits for the result.
    ///
    /// Inside a task this thread runs the call itself, if it has not started: waiting there never blocks the others.
    ///
    /// # Errors
    /// The call's panic; that it was cancelled; an error of a call whose result it was to be given. All have the line of
    /// the `submit`.
    pub fn get(self) -> Result<R> {
        waiting::wait(&[self.node()], None);
        self.take_now()
    }

    /// Waits until the result is there, and leaves it there.
    ///
    /// ```
    /// let one = flagstone::task::submit(|| 1);
    /// one.wait();
    /// assert!(one.is_ready());
    /// ```
    pub fn wait(&self) {
        waiting::wait(&[self.node()], None);
    }

    /// Waits so long at most; whether the result is there. (Inside a task it may take longer, by a call that this thread
    /// runs meanwhile.)
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let nap = flagstone::task::submit(|| std::thread::sleep(Duration::from_millis(300)));
    /// assert!(!nap.wait_timeout(Duration::from_millis(1)));
    /// assert!(nap.wait_timeout(Duration::from_secs(60)));
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        waiting::wait(&[self.node()], Some(timeout));
        self.is_ready()
    }

    /// Whether the result is there.
    pub fn is_ready(&self) -> bool {
        self.call.is_done()
    }

    /// Cancels the call; `false` if it has started or ended before, and then it goes on. The loops of
    /// [`map_async`](super::Pool::map_async) end early also when they have started.
    ///
    /// ```
    /// use flagstone::{Engine, task};
    ///
    /// let pool = Engine::builder().threads(1).build()?.pool();
    /// let (send, wait) = std::sync::mpsc::channel();
    /// let first = pool.submit(move || wait.recv());
    /// let second = pool.submit(|| 2); // waits for the only thread
    /// assert!(second.cancel());
    /// send.send(()).unwrap();
    /// assert!(first.get()?.is_ok());
    /// assert!(second.get().unwrap_err().is_cancelled());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.call.cancel()
    }

    /// Lets the call run to its end though nobody waits for it; a panic in it is lost.
    ///
    /// ```
    /// let (send, receive) = std::sync::mpsc::channel();
    /// flagstone::task::submit(move || send.send(5)).detach();
    /// assert_eq!(receive.recv(), Ok(5));
    /// ```
    pub fn detach(self) {
        // One handle more than there are.
        self.call.add_handle(None);
    }

    /// Submits a function of the result, to be called when it is there. An error goes on without a call.
    ///
    /// ```
    /// let text = flagstone::task::submit(|| 6 * 7).then(|n| n.to_string()).then(|text| text + "!");
    /// assert_eq!(text.get()?, "42!");
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn then<S: Send + 'static>(
        self,
        function: impl FnOnce(R) -> S + Send + 'static,
    ) -> Future<S> {
        match self.call.home().cloned() {
            Some(home) => Future::submit(&home, None, self, function),
            None => match self.take_now() {
                Err(error) => Future::failed(error),
                Ok(_) => unreachable!("only errors are there from the beginning"),
            },
        }
    }
}

impl<R: Clone> Clone for Future<R> {
    /// Another future of the same call; each gives the result, all but the last a clone.
    fn clone(&self) -> Future<R> {
        self.call.add_handle(Some(R::clone));
        Future {
            call: Arc::clone(&self.call),
        }
    }
}

impl<R> Drop for Future<R> {
    fn drop(&mut self) {
        self.call.drop_handle();
    }
}

impl<R: Send + 'static> std::future::Future for Future<R> {
    type Output = Result<R>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<R>> {
        if self.call.listen(context.waker()) {
            if let Some(home) = self.call.home() {
                home.call();
            }
            return Poll::Pending;
        }
        Poll::Ready(self.call.take())
    }
}
