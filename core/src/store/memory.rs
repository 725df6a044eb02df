//! To come.
use super::*;
/// To come.
#[derive(Debug)]
pub struct MemoryStore;
impl MemoryStore {
    /// To come.
    pub fn ask<C>(&mut self, _: StoreOp<C>, _: &mut Outbox<C>) {
        todo!()
    }
    /// To come.
    pub fn append<C>(&mut self, _: Vec<Transaction>, _: &mut Outbox<C>) {
        todo!()
    }
    /// To come.
    pub fn last_tid(&self) -> Tid {
        todo!()
    }
    /// To come.
    pub fn max_oid(&self) -> Oid {
        todo!()
    }
    /// To come.
    pub fn len(&self) -> u64 {
        todo!()
    }
    /// To come.
    pub fn size(&self) -> u64 {
        todo!()
    }
}
