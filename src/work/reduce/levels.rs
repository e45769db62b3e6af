//! The partial states of a fold, level by level of the tree.

use crate::base::few::{Few, few};
use crate::graph::stage::FoldUse;
use crate::op::fold::{Fold, States};
use crate::op::tree::{Counter, Spare};

/// The states of one fold that wait for their neighbours.
pub struct Levels<'a> {
    pub fold: &'a dyn Fold,
    /// The program's output that is folded.
    pub value: usize,
    /// The program's output that says which values take part.
    pub mask: Option<usize>,
    pieces: Counter<States>,
    /// One per digit of the tree, the leaf number last.
    digits: Few<Counter<States>, 2>,
    /// Ranges of runs whose rows are complete.
    line: Counter<States>,
    spare: Spare<States>,
    /// How many states are side by side at most.
    room: usize,
}

impl<'a> Levels<'a> {
    pub fn new(fold: &'a dyn Fold, usage: &FoldUse, digits: usize, room: usize) -> Levels<'a> {
        Levels {
            fold,
            value: usage.value,
            mask: usage.mask,
            pieces: Counter::default(),
            digits: few((0..=digits).map(|_| Counter::default())),
            line: Counter::default(),
            spare: Spare::new(),
            room,
        }
    }

    /// States at the identity.
    pub fn fresh(&mut self, n: usize) -> States {
        match self.spare.pop() {
            Some(mut states) => {
                self.fold.reset(&mut states, n);
                states
            }
            None => self.fold.states(self.room),
        }
    }

    /// States that will be overwritten.
    pub fn unset(&mut self) -> States {
        self.spare
            .pop()
            .unwrap_or_else(|| self.fold.states(self.room))
    }

    pub fn give_back(&mut self, states: States) {
        self.spare.push(states);
    }

    /// The states of the next `pieces` pieces, a power of two.
    pub fn push_pieces(&mut self, states: States, pieces: usize, n: usize) {
        let fold = self.fold;
        self.pieces
            .push_many(states, pieces, &mut self.spare, |left, right| {
                fold.merge(left, right, n)
            });
    }

    pub fn push(&mut self, digit: usize, states: States, n: usize) {
        let fold = self.fold;
        self.digits[digit].push(states, &mut self.spare, |left, right| {
            fold.merge(left, right, n)
        });
    }

    pub fn close_leaf(&mut self, n: usize) {
        let fold = self.fold;
        let done = self
            .pieces
            .finish(&mut self.spare, |left, right| fold.merge(left, right, n));
        // A leaf without elements is the identity.
        let states = done.unwrap_or_else(|| self.fresh(n));
        self.push(self.digits.len() - 1, states, n);
    }

    pub fn close(&mut self, digit: usize, n: usize) -> States {
        let fold = self.fold;
        let done =
            self.digits[digit].finish(&mut self.spare, |left, right| fold.merge(left, right, n));
        done.unwrap_or_else(|| self.fresh(n))
    }

    /// The states of `n` outputs, each of `runs` neighbouring runs: a power of two, always the same but for the last.
    pub fn push_line(&mut self, mut states: States, n: usize, runs: usize) {
        let fold = self.fold;
        if runs > 1 {
            fold.merge_groups(&mut states, n, runs);
        }
        self.line.push(states, &mut self.spare, |left, right| {
            fold.merge(left, right, n)
        });
    }

    /// The same for any number of neighbouring runs, after any other.
    pub fn push_runs(&mut self, states: States, n: usize, runs: usize) {
        let fold = self.fold;
        for run in 0..runs {
            let mut one = self.unset();
            for output in 0..n {
                fold.copy(&states, output * runs + run, &mut one, output, 1);
            }
            self.push_line(one, n, 1);
        }
        self.give_back(states);
    }

    pub fn close_line(&mut self, n: usize) -> States {
        let fold = self.fold;
        let done = self
            .line
            .finish(&mut self.spare, |left, right| fold.merge(left, right, n));
        done.unwrap_or_else(|| self.fresh(n))
    }
}
