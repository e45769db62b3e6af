//! Reading and writing at a position, without a shared cursor, and elements as bytes.

use std::fs::File;
use std::io;

use crate::base::dtype::DType;
use crate::base::element::Element;

/// Fills `out` from byte `offset` on.
pub fn read_bytes(file: &File, out: &mut [u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    let result = std::os::unix::fs::FileExt::read_exact_at(file, out, offset);
    #[cfg(windows)]
    let result = {
        let (mut rest, mut at) = (out, offset);
        loop {
            if rest.is_empty() {
                break Ok(());
            }
            match std::os::windows::fs::FileExt::seek_read(file, rest, at) {
                Ok(0) => break Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    rest = &mut rest[count..];
                    at += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        }
    };
    result.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the file has become shorter since it was opened",
        ),
        _ => error,
    })
}

/// Writes all of `bytes` from byte `offset` on.
pub fn write_bytes(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_all_at(file, bytes, offset);
    #[cfg(windows)]
    {
        let (mut rest, mut at) = (bytes, offset);
        while !rest.is_empty() {
            match std::os::windows::fs::FileExt::seek_write(file, rest, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    rest = &rest[count..];
                    at += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Fills `out` with the elements from byte `offset` on, in this machine's byte order.
pub fn read_elements<T: Element>(
    file: &File,
    out: &mut [T],
    offset: u64,
    swapped: bool,
) -> io::Result<()> {
    fill(out, swapped, |bytes| read_bytes(file, bytes, offset))
}

/// Fills `out` with elements that `write` puts there as bytes, in this machine's order or the other one.
pub fn fill<T: Element, E>(
    out: &mut [T],
    swapped: bool,
    write: impl FnOnce(&mut [u8]) -> Result<(), E>,
) -> Result<(), E> {
    /// Also if `write` panics, nobody sees a `bool` that is none.
    struct Valid<'a>(&'a mut [u8], bool);
    impl Drop for Valid<'_> {
        fn drop(&mut self) {
            if self.1 {
                self.0
                    .iter_mut()
                    .for_each(|byte| *byte = (*byte != 0) as u8);
            }
        }
    }
    // SAFETY: elements have no padding, and every pattern of bits is a value of every type but
    // `bool`, whose bytes are made 0 or 1 before anyone sees them as `bool`.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr().cast::<u8>(), size_of_val(out)) };
    let valid = Valid(bytes, T::DTYPE == DType::Bool);
    write(valid.0)?;
    if swapped {
        swap(valid.0, T::DTYPE.part().size());
    }
    Ok(())
}

/// The elements' bytes.
pub fn bytes_of<T: Element>(elements: &[T]) -> &[u8] {
    // SAFETY: elements have no padding, so all their bytes are initialized.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast::<u8>(), size_of_val(elements)) }
}

/// Writes elements in this machine's byte order.
pub fn write_elements<T: Element>(file: &File, elements: &[T], offset: u64) -> io::Result<()> {
    write_bytes(file, bytes_of(elements), offset)
}

/// Reverses the bytes of every number of `size` bytes.
fn swap(bytes: &mut [u8], size: usize) {
    // One loop per size, so that each becomes a shuffle of whole vectors.
    match size {
        2 => reverse_each::<2>(bytes),
        4 => reverse_each::<4>(bytes),
        8 => reverse_each::<8>(bytes),
        _ => {}
    }
}

fn reverse_each<const N: usize>(bytes: &mut [u8]) {
    for number in bytes.as_chunks_mut::<N>().0 {
        number.reverse();
    }
}
