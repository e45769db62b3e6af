//! Asking for memory before it is read. Any address is harmless.

const LINE: usize = 64;

/// Asks for the cache lines of `len` bytes, as far as the second-level cache: it takes some time until they are
/// read, and the first one is for what is needed meanwhile.
#[inline(always)]
pub fn prefetch(start: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        for at in (0..len).step_by(LINE) {
            // SAFETY: a prefetch reads nothing that the program could see, of whatever address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(at).cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, len);
}

/// Asks for the cache lines of `len` bytes, as far as the first-level cache.
#[inline(always)]
pub fn nearest(start: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        for at in (0..len).step_by(LINE) {
            // SAFETY: a prefetch reads nothing that the program could see, of whatever address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at).cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, len);
}

/// Memory that will be read soon, and is asked for little by little while other things are computed, in the order in
/// which it was added: a processor waits for some lines at a time, and who asks for more waits, too.
#[derive(Debug, Default)]
pub struct Prefetches {
    runs: Vec<(*const u8, usize)>,
    /// The first run that has lines left.
    next: usize,
    lines: usize,
}

impl Prefetches {
    /// Lines that a processor fetches at a time, roughly.
    pub const AT_ONCE: usize = 32;

    pub fn add(&mut self, start: *const u8, len: usize) {
        self.runs.push((start, len));
        self.lines += len.div_ceil(LINE);
    }

    /// The cache lines that have not been asked for.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Asks for so many lines.
    pub fn ask(&mut self, mut lines: usize) {
        while let Some((start, len)) = self.runs.get_mut(self.next) {
            let now = (lines * LINE).min(*len);
            prefetch(*start, now);
            *start = start.wrapping_add(now);
            *len -= now;
            let asked = now.div_ceil(LINE);
            self.lines -= asked;
            lines -= asked;
            if *len > 0 {
                return;
            }
            self.next += 1;
        }
        self.runs.clear();
        self.next = 0;
    }

    pub fn ask_all(&mut self) {
        self.ask(self.lines);
    }
}

/// Memory that is asked for while something else is computed.
#[derive(Default)]
pub struct Asking<'a>(Option<(&'a mut Prefetches, usize)>);

impl Asking<'_> {
    /// Asks for so many lines at a time.
    pub fn new(upcoming: &mut Prefetches, lines: usize) -> Asking<'_> {
        Asking((lines > 0).then_some((upcoming, lines)))
    }

    #[inline(always)]
    pub fn ask(&mut self) {
        if let Some((upcoming, lines)) = &mut self.0 {
            upcoming.ask(*lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Prefetches;

    #[test]
    fn all_lines_are_asked_for() {
        let memory = vec![0u8; 1000];
        let mut prefetches = Prefetches::default();
        prefetches.add(memory.as_ptr(), 1000);
        prefetches.add(memory.as_ptr(), 1);
        prefetches.add(memory.as_ptr(), 0);
        assert_eq!(prefetches.lines(), 17);
        prefetches.ask(0);
        prefetches.ask(3);
        assert_eq!(prefetches.lines(), 14);
        prefetches.ask(100);
        assert_eq!(prefetches.lines(), 0);
        prefetches.add(memory.as_ptr(), 65);
        prefetches.ask_all();
        assert_eq!(prefetches.lines(), 0);
        assert!(prefetches.runs.is_empty());
    }
}
