//! What a cache keeps its bytes in.

use std::fmt::Debug;
use thiserror::Error;

/// Where a cache keeps its bytes; implemented over a file by the shell, over memory by [`Memory`] and by tests.
///
/// Writes are seen by later reads at once and in order, and survive the death of the process (the last one perhaps cut
/// at a multiple of 4096 bytes). They survive a power loss only once synced; of others any subset may be gone.
pub trait Medium: Send + Debug {
    /// Bytes it holds.
    fn len(&self) -> Result<u64, MediumError>;

    /// Whether it holds nothing.
    fn is_empty(&self) -> Result<bool, MediumError> {
        Ok(self.len()? == 0)
    }

    /// Cuts it, or lengthens it with zeros.
    fn set_len(&mut self, len: u64) -> Result<(), MediumError>;

    /// Fills `into` with what stands from `at` on. The cache asks for nothing past the end.
    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), MediumError>;

    /// Writes all of `bytes` from `at` on. The cache writes nothing past the end.
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), MediumError>;

    /// Returns when all earlier writes would survive a power loss.
    fn sync(&mut self) -> Result<(), MediumError>;
}

/// Why a medium cannot do it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MediumError {
    /// No room is left for a write.
    #[error("the disk is full")]
    Full,
    /// Whatever else the operating system said.
    #[error("{0}")]
    Io(String),
}

/// Which run of the operating system it is: what a process wrote without syncing is safe for as long as that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

/// A medium in memory.
#[derive(Clone, Debug, Default)]
pub struct Memory(Vec<u8>);

impl Medium for Memory {
    fn len(&self) -> Result<u64, MediumError> {
        Ok(self.0.len() as u64)
    }

    fn set_len(&mut self, len: u64) -> Result<(), MediumError> {
        let len = usize::try_from(len).map_err(|_| MediumError::Full)?;
        if self.0.is_empty() {
            // Fresh zeros take no memory before they are written to.
            self.0 = vec![0; len];
        } else {
            self.0.resize(len, 0);
        }
        Ok(())
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), MediumError> {
        let at = at as usize;
        into.copy_from_slice(&self.0[at..at + into.len()]);
        Ok(())
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), MediumError> {
        let at = at as usize;
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), MediumError> {
        Ok(())
    }
}
