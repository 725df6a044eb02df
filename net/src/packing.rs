//! A pack on a thread of its own, which may block as long as the disk does.

use crate::disk::{Disk, Ran, disk_error};
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError};
use zeolith_core::server::Context;
use zeolith_core::store::file::pack::{Begin, News, Order, PackError, Packing};

/// Packs the log at `base` beside its server until the pack is over, telling its news. It follows `orders`; when nobody
/// can give any more, it stops.
pub(crate) fn run(base: PathBuf, begin: Begin, orders: &Receiver<Order>, tell: impl Fn(News)) {
    if let Err(error) = pack(base, begin, orders, &tell) {
        tell(News::Failed(PackError::Disk(disk_error(&error))));
    }
}

fn pack(base: PathBuf, begin: Begin, orders: &Receiver<Order>, tell: impl Fn(News)) -> io::Result<()> {
    let mut disk = Disk::new(base, false, None)?;
    let mut packing: Packing<Context> = Packing::new(begin);
    loop {
        let order = match packing.poll() {
            Some(op) => {
                match disk.run(op) {
                    Ran::Quiet => {}
                    Ran::Done(done) => packing.handle(done),
                    Ran::Later(job) => packing.handle(job()),
                }
                orders.try_recv()
            }
            None if packing.is_over() => return Ok(()),
            None => orders.recv().map_err(|_| TryRecvError::Disconnected),
        };
        match order {
            Ok(order) => {
                disk.look_again()?;
                packing.order(order);
            }
            Err(TryRecvError::Disconnected) => packing.order(Order::Stop),
            Err(TryRecvError::Empty) => {}
        }
        while let Some(news) = packing.news() {
            tell(news);
        }
    }
}
