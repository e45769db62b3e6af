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
    rows: Vec<Rows>,
    /// The first rows that have lines left.
    next: usize,
    lines: usize,
}

/// Rows of as many lines each.
#[derive(Debug)]
struct Rows {
    start: *const u8,
    /// The bytes from a row to the next.
    stride: isize,
    left: usize,
    /// Of each row.
    lines: usize,
    /// How many lines of the row at hand have been asked for.
    done: usize,
}

impl Prefetches {
    /// Lines that a processor fetches at a time, roughly.
    pub const AT_ONCE: usize = 32;

    /// Adds so many bytes.
    pub fn add(&mut self, start: *const u8, len: usize) {
        self.add_rows(start, 0, 1, len);
    }

    /// Adds so many bytes of each row.
    pub fn add_rows(&mut self, start: *const u8, stride: isize, rows: usize, len: usize) {
        if self.lines == 0 {
            self.rows.clear();
            self.next = 0;
        }
        let lines = len.div_ceil(LINE);
        if lines * rows > 0 {
            self.rows.push(Rows {
                start,
                stride,
                left: rows,
                lines,
                done: 0,
            });
            self.lines += lines * rows;
        }
    }

    /// The cache lines that have not been asked for.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Asks for so many lines, or for all that are left.
    #[inline]
    pub fn ask(&mut self, lines: usize) {
        let mut left = lines.min(self.lines);
        self.lines -= left;
        while left > 0 {
            let rows = &mut self.rows[self.next];
            let now = left.min(rows.lines - rows.done);
            prefetch(rows.start.wrapping_add(rows.done * LINE), now * LINE);
            left -= now;
            rows.done += now;
            if rows.done == rows.lines {
                rows.done = 0;
                rows.start = rows.start.wrapping_offset(rows.stride);
                rows.left -= 1;
                self.next += usize::from(rows.left == 0);
            }
        }
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
        prefetches.add(memory.as_ptr(), 1);
        assert_eq!(prefetches.rows.len(), 1);
        prefetches.add_rows(memory.as_ptr(), 100, 3, 65);
        assert_eq!(prefetches.lines(), 7);
        prefetches.ask(2);
        prefetches.ask(2);
        assert_eq!(prefetches.rows[1].start, memory.as_ptr().wrapping_add(100));
        prefetches.ask(10);
        assert_eq!(prefetches.lines(), 0);
    }
}
