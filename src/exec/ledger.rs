//! The account of the bytes that computations hold.
//!
//! A run reserves its *floor*, with which it can always end, before it starts; it borrows above it
//! while nobody waits for a floor. Streams and persisted blocks *pin* bytes: they return when the user
//! says so, hence nobody waits for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::cancel::Cancel;
use super::{Apart, DOUBT, SLOW_POLL, locked};
use crate::error::{Error, Kind, Result};

/// A budget and who holds what of it; clones share the account.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    budget: u64,
    /// Length of the queue, to be read without the lock.
    waiting: AtomicUsize,
    /// Grows whenever a run that someone waits for makes progress.
    moves: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    usage: Usage,
    /// Who waits for bytes, first come first. They hold nothing.
    queue: VecDeque<u64>,
    next_ticket: u64,
    /// Runs that may have borrowed.
    borrowers: Vec<Weak<Account>>,
}

/// What is booked at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Floors and borrowed bytes of runs; they return by themselves.
    pub runs: u64,
    pub streams: u64,
    pub open_streams: u64,
    /// What [`Ledger::hold`] pins.
    pub held: u64,
    pub holds: u64,
}

impl Usage {
    pub fn pinned(&self) -> u64 {
        self.streams + self.held
    }

    pub fn total(&self) -> u64 {
        self.runs + self.pinned()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Run,
    Stream,
    Hold,
}

/// How long to wait for bytes that others will return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// The caller may hold up the very run whose bytes it would wait for.
    None,
    /// As `None`, but that is not sure: wait until no run has moved for so long.
    WhileOthersMove(Duration),
    Endless,
}

impl Ledger {
    pub fn new(budget: u64) -> Ledger {
        Ledger(Arc::new(Inner {
            budget,
            waiting: AtomicUsize::new(0),
            moves: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    pub fn budget(&self) -> u64 {
        self.0.budget
    }

    pub fn usage(&self) -> Usage {
        self.state().usage
    }

    /// Pins bytes until the `Hold` is dropped; waits for runs to end if need be, unless inside a task.
    pub fn hold(&self, bytes: u64) -> Result<Hold> {
        let patience = if super::inside_task() {
            Patience::None
        } else if rayon::current_thread_index().is_some() {
            Patience::WhileOthersMove(DOUBT)
        } else {
            Patience::Endless
        };
        if self.reserve(Purpose::Hold, bytes, patience, None)? {
            return Ok(Hold {
                ledger: self.clone(),
                bytes,
            });
        }
        Err(self.refusal(bytes, &self.usage()))
    }

    /// Waits until the floor of a run is there.
    pub fn floor(
        &self,
        bytes: u64,
        patience: Patience,
        cancel: Option<&Cancel>,
    ) -> Result<Floor<'_>> {
        Ok(Floor {
            outside: !self.reserve(Purpose::Run, bytes, patience, cancel)?,
            ledger: self,
            bytes,
        })
    }

    /// Takes `bytes`; `false` if patience ran out.
    ///
    /// # Errors
    /// If the bytes do not fit beside what is pinned, now or while waiting (who does not wait is told
    /// `false`), or when cancelled.
    pub fn reserve(
        &self,
        purpose: Purpose,
        bytes: u64,
        patience: Patience,
        cancel: Option<&Cancel>,
    ) -> Result<bool> {
        let mut state = self.state();
        if patience != Patience::None && !state.fits_beside_pinned(bytes, self.0.budget) {
            return Err(self.refusal(bytes, &state.usage));
        }
        let free = state.fits(bytes, self.0.budget);
        if free && (state.queue.is_empty() || patience == Patience::None) {
            state.usage.add(purpose, bytes);
            return Ok(true);
        }
        if patience == Patience::None {
            return Ok(false);
        }

        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.queue.push_back(ticket);
        self.0.waiting.store(state.queue.len(), Ordering::SeqCst);
        // From here on nobody borrows; what was borrowed and is not in use comes back at once.
        let borrowers: Vec<_> = state.borrowers.iter().filter_map(Weak::upgrade).collect();
        drop(state);
        for account in borrowers {
            account.give_back();
        }

        let mut state = self.state();
        let mut seen = (self.0.moves.load(Ordering::Relaxed), Instant::now());
        let granted = loop {
            if !state.fits_beside_pinned(bytes, self.0.budget) {
                break Err(self.refusal(bytes, &state.usage));
            }
            if state.queue.front() == Some(&ticket) && state.fits(bytes, self.0.budget) {
                state.usage.add(purpose, bytes);
                break Ok(true);
            }
            if cancel.is_some_and(Cancel::is_cancelled) {
                break Err(Error::new(
                    Kind::Cancelled,
                    "cancelled while it waited for memory",
                ));
            }
            if let Patience::WhileOthersMove(limit) = patience {
                let moves = self.0.moves.load(Ordering::Relaxed);
                if moves != seen.0 {
                    seen = (moves, Instant::now());
                } else if seen.1.elapsed() > limit {
                    break Ok(false);
                }
            }
            state = self
                .0
                .changed
                .wait_timeout(state, SLOW_POLL)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        };
        state.queue.retain(|&other| other != ticket);
        self.0.waiting.store(state.queue.len(), Ordering::SeqCst);
        self.0.changed.notify_all();
        granted
    }

    /// Takes more without waiting, for someone who has a floor already; never past those who wait.
    fn borrow(&self, purpose: Purpose, bytes: u64) -> bool {
        let mut state = self.state();
        let granted = state.queue.is_empty() && state.fits(bytes, self.0.budget);
        if granted {
            state.usage.more(purpose, bytes);
        }
        granted
    }

    fn put_back(&self, purpose: Purpose, bytes: u64, closes: bool) {
        let mut state = self.state();
        state.usage.less(purpose, bytes, closes);
        if !state.queue.is_empty() {
            self.0.changed.notify_all();
        }
    }

    fn someone_waits(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0.state)
    }

    /// Why `bytes` can not be had, whoever else ends.
    fn refusal(&self, bytes: u64, usage: &Usage) -> Error {
        let mut message = format!(
            "{bytes} bytes are needed at once, the memory budget is {} bytes",
            self.0.budget
        );
        if usage.pinned() > 0 {
            message += &format!(
                ", of which {} are held by {} open streams and {} by {} persisted arrays",
                usage.streams, usage.open_streams, usage.held, usage.holds
            );
        }
        Error::new(Kind::Memory, message)
    }
}

impl State {
    fn fits(&self, bytes: u64, budget: u64) -> bool {
        bytes <= budget.saturating_sub(self.usage.total())
    }

    fn fits_beside_pinned(&self, bytes: u64, budget: u64) -> bool {
        bytes <= budget.saturating_sub(self.usage.pinned())
    }
}

impl Usage {
    fn bytes_of(&mut self, purpose: Purpose) -> &mut u64 {
        match purpose {
            Purpose::Run => &mut self.runs,
            Purpose::Stream => &mut self.streams,
            Purpose::Hold => &mut self.held,
        }
    }

    fn add(&mut self, purpose: Purpose, bytes: u64) {
        self.more(purpose, bytes);
        self.open_streams += u64::from(purpose == Purpose::Stream);
        self.holds += u64::from(purpose == Purpose::Hold);
    }

    fn more(&mut self, purpose: Purpose, bytes: u64) {
        *self.bytes_of(purpose) += bytes;
    }

    fn less(&mut self, purpose: Purpose, bytes: u64, closes: bool) {
        *self.bytes_of(purpose) -= bytes;
        self.open_streams -= u64::from(closes && purpose == Purpose::Stream);
        self.holds -= u64::from(closes && purpose == Purpose::Hold);
    }
}

/// Bytes that are pinned while this lives.
pub struct Hold {
    ledger: Ledger,
    bytes: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.ledger.put_back(Purpose::Hold, self.bytes, true);
    }
}

/// The floor of a run that never borrows; it returns when this is dropped.
pub struct Floor<'a> {
    ledger: &'a Ledger,
    bytes: u64,
    /// As [`Account::outside`].
    pub outside: bool,
}

impl Drop for Floor<'_> {
    fn drop(&mut self) {
        if !self.outside {
            self.ledger.put_back(Purpose::Run, self.bytes, true);
        }
    }
}

/// What one run may hold and what it does hold.
pub struct Account {
    ledger: Ledger,
    purpose: Purpose,
    /// Not in the ledger at all: a run inside a task for which there were no bytes.
    outside: bool,
    floor: u64,
    cap: u64,
    state: Apart<Mutex<AccountState>>,
}

struct AccountState {
    /// Between the floor and the cap; what the ledger counts as ours.
    granted: u64,
    held: u64,
    peak: u64,
    /// Nothing of it is in the ledger.
    closed: bool,
}

impl Account {
    /// Waits until `floor` is ours; nothing is held before.
    pub fn open(
        ledger: &Ledger,
        purpose: Purpose,
        floor: u64,
        cap: u64,
        patience: Patience,
        cancel: Option<&Cancel>,
    ) -> Result<Arc<Account>> {
        let outside = !ledger.reserve(purpose, floor, patience, cancel)?;
        let mut granted = floor;
        let mut cap = cap.max(floor);
        if outside {
            cap = floor;
        } else if purpose == Purpose::Stream {
            // An idle consumer may keep all that its stream ever had, so it is pinned from the start
            // and never grows. What the consumer computes in its loop needs a floor beside it.
            let usage = ledger.usage();
            let free = ledger.budget().saturating_sub(usage.total());
            let more = (cap - floor).min(free / 2);
            if ledger.borrow(purpose, more) {
                granted += more;
            }
            cap = granted;
        }
        let account = Arc::new(Account {
            ledger: ledger.clone(),
            purpose,
            outside,
            floor,
            cap,
            state: Apart(Mutex::new(AccountState {
                granted,
                held: 0,
                peak: 0,
                closed: outside,
            })),
        });
        if cap > granted {
            let mut state = ledger.state();
            state.borrowers.retain(|other| other.strong_count() > 0);
            state.borrowers.push(Arc::downgrade(&account));
        }
        Ok(account)
    }

    pub fn outside(&self) -> bool {
        self.outside
    }

    /// The most that will be held at once.
    pub fn cap(&self) -> u64 {
        self.cap
    }

    pub fn peak(&self) -> u64 {
        locked(&self.state).peak
    }

    /// For several bookings under one lock.
    pub fn booking(&self) -> Booking<'_> {
        Booking {
            account: self,
            state: locked(&self.state),
        }
    }

    /// Returns what was borrowed and is not in use.
    fn give_back(&self) {
        self.booking().trim();
    }

    /// Returns everything. Not left to `drop`: someone who waits may hold a clone for a moment.
    pub fn close(&self) {
        let mut state = locked(&self.state);
        if !state.closed {
            state.closed = true;
            self.ledger.put_back(self.purpose, state.granted, true);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.close();
    }
}

/// An account, locked.
pub struct Booking<'a> {
    account: &'a Account,
    state: MutexGuard<'a, AccountState>,
}

impl Booking<'_> {
    pub fn held(&self) -> u64 {
        self.state.held
    }

    /// Takes `bytes` if they are below the cap and the ledger has them.
    pub fn book(&mut self, bytes: u64) -> bool {
        let held = self.state.held.saturating_add(bytes);
        if held > self.account.cap {
            return false;
        }
        if held > self.state.granted {
            let more = held - self.state.granted;
            if !self.account.ledger.borrow(self.account.purpose, more) {
                return false;
            }
            self.state.granted = held;
        }
        self.state.held = held;
        self.state.peak = self.state.peak.max(held);
        true
    }

    pub fn unbook(&mut self, bytes: u64) {
        self.state.held -= bytes;
        if self.account.ledger.someone_waits() {
            self.account.ledger.0.moves.fetch_add(1, Ordering::Relaxed);
            self.trim();
        }
    }

    fn trim(&mut self) {
        let keep = self.state.held.max(self.account.floor);
        let lends = self.account.purpose == Purpose::Run && !self.state.closed;
        if lends && self.state.granted > keep {
            let back = self.state.granted - keep;
            self.state.granted = keep;
            self.account
                .ledger
                .put_back(self.account.purpose, back, false);
        }
    }
}
