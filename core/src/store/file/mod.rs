//! To come.
pub mod format;
pub mod read;
use super::*;
/// To come.
#[derive(Debug)]
pub struct FileStore<C> {
    c: std::marker::PhantomData<C>,
}
impl<C> FileStore<C> {
    /// To come.
    pub fn ask(&mut self, _: StoreOp<C>, _: &mut Outbox<C>) {
        todo!()
    }
    /// To come.
    pub fn append(&mut self, _: Vec<Transaction>, _: &mut Outbox<C>) {
        todo!()
    }
    /// To come.
    pub fn release(&mut self, _: u64) {
        todo!()
    }
    /// To come.
    pub fn on_disk(&mut self, _: disk::DiskDone<C>, _: &mut Outbox<C>) {
        todo!()
    }
    /// To come.
    pub fn close(&mut self, _: &mut Outbox<C>) {
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
