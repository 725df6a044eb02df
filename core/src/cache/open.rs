//! Opening: one pass over what stands in a medium.

use super::index::Fit;
use super::layout::{self, HEAD, HEADER, Header, MAGIC, NoHeader, Piece, UNIT, ZEO_MAGIC};
use super::medium::{BootId, Medium, MediumError};
use super::ring::{Kind, Slot, Which};
use super::shelves::Shelves;
use thiserror::Error;

/// Bytes read at once.
const WINDOW: u64 = 256 << 10;
/// Bytes of each ring that are kept in memory while a cache is brought to another size.
const KEEP: u64 = 256 << 20;

/// Why there is no cache, or no longer one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CacheError {
    /// A cache file of Python's ZEO.
    #[error("it is a cache file of Python's ZEO; Zeolith needs a file of its own")]
    Zeo,
    /// Something else.
    #[error("it is not a cache file of Zeolith's, and is left as it is")]
    Foreign,
    /// Written by another version of Zeolith.
    #[error("it is a cache file in version {0} of the format, of which nothing is known here")]
    Version(u32),
    /// The medium failed.
    #[error(transparent)]
    Medium(#[from] MediumError),
}

/// What was found at open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Objects in the cache, current or not.
    pub objects: u64,
    /// Why it begins empty, if it does although something stood there.
    pub emptied: Option<Emptied>,
    /// Stretches of the file that could not be read as records, each dropped.
    pub damaged: u64,
    /// Records that did not fit any more, because the size changed.
    pub dropped: u64,
}

/// Why a cache was emptied at open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emptied {
    /// The operating system ended before the cache was flushed.
    Unflushed,
    /// Its header is damaged.
    Damaged,
}

/// Begins an empty cache.
pub(super) fn begin(medium: Box<dyn Medium>, size: u64, boot: BootId) -> Result<Shelves, MediumError> {
    Shelves::begin(medium, bounded(size), boot, 0)
}

/// Takes over what stands in a medium.
pub(super) fn open(
    medium: Box<dyn Medium>,
    size: u64,
    boot: BootId,
) -> Result<(Shelves, Report), CacheError> {
    let size = bounded(size);
    let header = match look(&*medium, boot)? {
        Found::Nothing => return Ok((begin(medium, size, boot)?, Report::default())),
        Found::Distrusted(why) => {
            return Ok((begin(medium, size, boot)?, Report { emptied: Some(why), ..Report::default() }));
        }
        Found::Cache(header) => header,
    };
    let mut shelves = Shelves::new(medium, header);
    shelves.header.boot = boot;
    let report = take_over(&mut shelves).inspect_err(|_| shelves.give_up())?;
    if shelves.header.size == size { Ok((shelves, report)) } else { Ok(resize(shelves, size, report)?) }
}

fn bounded(size: u64) -> u64 {
    size.clamp(layout::SIZE_MIN, layout::SIZE_MAX)
}

/// What stands in a medium, by its header.
enum Found {
    Nothing,
    Distrusted(Emptied),
    Cache(Header),
}

fn look(medium: &dyn Medium, boot: BootId) -> Result<Found, CacheError> {
    let len = medium.len()?;
    let mut bytes = [0; HEADER as usize];
    let there = len.min(HEADER) as usize;
    medium.read_at(0, &mut bytes[..there])?;
    if !bytes[..there].starts_with(MAGIC) {
        return match zeros(medium, len)? {
            true => Ok(Found::Nothing),
            false if bytes.starts_with(ZEO_MAGIC) => Err(CacheError::Zeo),
            false => Err(CacheError::Foreign),
        };
    }
    Ok(match Header::read(&bytes) {
        Err(NoHeader::Version(version)) => return Err(CacheError::Version(version)),
        Err(NoHeader::Damaged) => Found::Distrusted(Emptied::Damaged),
        Ok(header) if header.size != len => Found::Distrusted(Emptied::Damaged),
        Ok(header) if header.boot != boot && !header.clean => Found::Distrusted(Emptied::Unflushed),
        Ok(header) => Found::Cache(header),
    })
}

/// Whether the medium is all zeros: made long, and then nothing was written that survived.
fn zeros(medium: &dyn Medium, len: u64) -> Result<bool, MediumError> {
    let mut chunk = vec![0; WINDOW.min(len) as usize];
    for at in (0..len).step_by(WINDOW as usize) {
        let chunk = &mut chunk[..WINDOW.min(len - at) as usize];
        medium.read_at(at, chunk)?;
        if chunk.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads both rings. That the medium is in use is safe before anything is changed.
fn take_over(shelves: &mut Shelves) -> Result<Report, MediumError> {
    shelves.set_state(false)?;
    let damaged = scan(shelves, Which::Small)? + scan(shelves, Which::Main)?;
    let (current, ended) = shelves.index.counts();
    Ok(Report { objects: (current + ended) as u64, damaged, ..Report::default() })
}

/// Reads one ring, and returns how many stretches of it are damaged.
fn scan(shelves: &mut Shelves, which: Which) -> Result<u64, MediumError> {
    let (start, end) = (shelves.rings[which].start, shelves.rings[which].end);
    let mut window = Window::default();
    let (mut found, mut here, mut broken) = (Vec::new(), None, None);
    let mut at = start;
    while at < end {
        let bytes = window.look(&*shelves.medium, at, end)?;
        let piece = Piece::read(bytes, shelves.header.nonce, at).filter(|piece| piece.len() <= end - at);
        match piece {
            // Where a piece ends is not known, so nothing behind it is.
            None => {
                broken = Some(at);
                break;
            }
            Some(Piece::Record(head)) => found.push((at, head)),
            Some(Piece::Gap { here: true, .. }) => here = here.or(Some(at)),
            Some(Piece::Gap { .. }) => {}
        }
        at += piece.map_or(0, |piece| piece.len());
    }
    if let Some(at) = broken {
        shelves.cover(at, end, false)?;
    }
    // The oldest record is the first one past the place where writing goes on.
    let write = here.or(broken).unwrap_or(start);
    shelves.rings[which].write = write;
    let older = found.partition_point(|&(at, _)| at < write);
    found.rotate_left(older);
    shelves.index.reserve(&shelves.rings, found.len());
    let mut damaged = u64::from(broken.is_some());
    for (at, head) in found {
        // A record at the very place of the next one: the mark was lost, and needs room.
        let fit = if at == write {
            Fit::Not
        } else {
            shelves.index.fit(&shelves.rings, head.oid, head.start, head.until)
        };
        match fit {
            Fit::New => {
                shelves.admit(which, &head, at, 0);
            }
            // A contradiction: whatever it is that went wrong, neither is to be trusted.
            Fit::Replaces(slot) | Fit::Ends(slot) => {
                damaged += 1;
                shelves.erase(slot)?;
                shelves.cover(at, at + head.footprint(), false)?;
            }
            Fit::Not => {
                // One that was on its way to the other ring when the process died stands there too.
                let twin = shelves
                    .index
                    .current(&shelves.rings, head.oid)
                    .is_some_and(|slot| shelves.rings.entry(slot).start == head.start);
                damaged += u64::from(!twin && at != write);
                shelves.cover(at, at + head.footprint(), false)?;
            }
        }
    }
    let free_end = shelves.rings[which].free_end();
    shelves.cover(write, free_end, true)?;
    Ok(damaged)
}

/// A stretch of the medium, read ahead.
#[derive(Default)]
struct Window {
    bytes: Vec<u8>,
    at: u64,
}

impl Window {
    /// What stands at `at`: enough for the beginning of any piece, unless the ring ends before.
    fn look(&mut self, medium: &dyn Medium, at: u64, end: u64) -> Result<&[u8], MediumError> {
        let wanted = (HEAD as u64).min(end - at);
        if at < self.at || at + wanted > self.at + self.bytes.len() as u64 {
            self.bytes.resize(WINDOW.min(end - at) as usize, 0);
            self.at = at;
            medium.read_at(at, &mut self.bytes)?;
        }
        Ok(&self.bytes[(at - self.at) as usize..])
    }
}

/// Writes a cache anew in another size, with the newest records of each ring.
fn resize(old: Shelves, size: u64, report: Report) -> Result<(Shelves, Report), MediumError> {
    let (middle, end) = layout::bounds(size);
    let mut kept = Vec::new();
    for (which, room) in [(Which::Main, end - middle), (Which::Small, middle - HEADER)] {
        let mut room = room.min(KEEP) - UNIT;
        let newest_first = old.rings[which].entries().collect::<Vec<_>>().into_iter().rev();
        let slots =
            newest_first.filter(|(_, entry)| entry.kind() != Kind::Dead).map_while(|(slot, entry)| {
                room = room.checked_sub(entry.footprint())?;
                Some(slot)
            });
        let slots: Vec<Slot> = slots.collect();
        for slot in slots.into_iter().rev() {
            kept.extend(old.read(slot)?.map(|record| (which, record)));
        }
    }
    let mut new = Shelves::begin(old.medium, size, old.header.boot, old.header.nonce)?;
    for (which, (head, data)) in kept {
        new.put(which, head, &data)?;
    }
    if let Some(last) = old.header.last {
        new.set_last(last)?;
    }
    let (current, ended) = new.index.counts();
    let objects = (current + ended) as u64;
    Ok((new, Report { objects, dropped: report.objects - objects, ..report }))
}
