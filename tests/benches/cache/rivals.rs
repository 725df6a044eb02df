//! The caches that are compared: which objects they hold, without what is in them.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use zeolith_core::cache::Cache;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::Revision;

/// What a trace is played on.
pub trait Rival {
    /// Whether the current revision is there.
    fn load(&mut self, oid: u32) -> bool;
    /// Puts the current revision in.
    fn store(&mut self, oid: u32, serial: u64, size: u32);
    /// The current revision has ended.
    fn invalidate(&mut self, oid: u32, tid: u64);
}

impl Rival for Cache {
    fn load(&mut self, oid: u32) -> bool {
        Cache::load(self, Oid(oid.into())).is_some()
    }

    fn store(&mut self, oid: u32, serial: u64, size: u32) {
        let data = Bytes::from(vec![0; size as usize]);
        Cache::store(self, Oid(oid.into()), &Revision { data, serial: Tid(serial), until: None });
    }

    fn invalidate(&mut self, oid: u32, tid: u64) {
        Cache::invalidate(self, Oid(oid.into()), Tid(tid));
    }
}

/// Bytes ZEO's cache writes around an object's data.
const ZEO_RECORD: u64 = 43;
/// Bytes its file begins with.
const ZEO_HEADER: u64 = 12;

/// ZEO's cache: a ring that is written round and round, in which a current record is written anew when it is loaded after more
/// than four fifths of the ring were written since.
pub struct Fifo {
    size: u64,
    write: u64,
    /// All records by place: object, whether current, bytes.
    records: BTreeMap<u64, (u32, bool, u64)>,
    current: HashMap<u32, u64>,
}

impl Fifo {
    pub fn new(size: u64) -> Fifo {
        Fifo {
            size: size.max(ZEO_HEADER),
            write: ZEO_HEADER,
            records: BTreeMap::new(),
            current: HashMap::new(),
        }
    }

    fn put(&mut self, oid: u32, bytes: u64) {
        // One byte more, for the gap that it keeps behind the newest record.
        if self.write + bytes + 1 > self.size {
            self.write = ZEO_HEADER;
        }
        let ahead: Vec<u64> =
            self.records.range(self.write..=self.write + bytes).map(|(&at, _)| at).collect();
        for at in ahead {
            if let Some((oid, true, _)) = self.records.remove(&at) {
                self.current.remove(&oid);
            }
        }
        self.records.insert(self.write, (oid, true, bytes));
        self.current.insert(oid, self.write);
        self.write += bytes;
    }
}

impl Rival for Fifo {
    fn load(&mut self, oid: u32) -> bool {
        let Some(&at) = self.current.get(&oid) else { return false };
        let (_, _, bytes) = self.records[&at];
        let behind = if self.write < at { self.write + self.size - at } else { self.write - at };
        if 10 * behind > 8 * self.size && self.size > 10 * (bytes - ZEO_RECORD) {
            self.records.remove(&at);
            self.put(oid, bytes);
        }
        true
    }

    fn store(&mut self, oid: u32, _: u64, size: u32) {
        let bytes = ZEO_RECORD + u64::from(size);
        if bytes < self.size - ZEO_HEADER {
            self.put(oid, bytes);
        }
    }

    fn invalidate(&mut self, oid: u32, _: u64) {
        if let Some(at) = self.current.remove(&oid) {
            // It stays, as a revision that nobody here asks for.
            self.records.entry(at).and_modify(|(_, current, _)| *current = false);
        }
    }
}

/// The textbook's: whatever was not used the longest makes room. With ZEO's records, and nothing kept that ended.
pub struct Lru {
    size: u64,
    bytes: u64,
    clock: u64,
    used: BTreeMap<u64, u32>,
    objects: HashMap<u32, (u64, u64)>,
}

impl Lru {
    pub fn new(size: u64) -> Lru {
        Lru { size, bytes: 0, clock: 0, used: BTreeMap::new(), objects: HashMap::new() }
    }

    fn remove(&mut self, oid: u32) -> Option<u64> {
        let (time, bytes) = self.objects.remove(&oid)?;
        self.used.remove(&time);
        self.bytes -= bytes;
        Some(bytes)
    }

    fn put(&mut self, oid: u32, bytes: u64) {
        self.clock += 1;
        self.used.insert(self.clock, oid);
        self.objects.insert(oid, (self.clock, bytes));
        self.bytes += bytes;
    }
}

impl Rival for Lru {
    fn load(&mut self, oid: u32) -> bool {
        let Some(bytes) = self.remove(oid) else { return false };
        self.put(oid, bytes);
        true
    }

    fn store(&mut self, oid: u32, _: u64, size: u32) {
        let bytes = ZEO_RECORD + u64::from(size);
        if bytes <= self.size {
            while self.bytes + bytes > self.size {
                let oid = *self.used.first_key_value().expect("bytes are some object's").1;
                self.remove(oid);
            }
            self.put(oid, bytes);
        }
    }

    fn invalidate(&mut self, oid: u32, _: u64) {
        self.remove(oid);
    }
}
