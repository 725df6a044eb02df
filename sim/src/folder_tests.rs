use super::*;
use zeolith_core::rng::Seed;

const DRAFT: DraftId = DraftId(1);
const OID: Oid = Oid(7);
const TID: Tid = Tid(5);

fn written() -> Folder {
    let mut folder = Folder::default();
    folder.run(BlobOp::Write { draft: DRAFT, at: 0, chunks: vec![Bytes::from_static(b"a blob")] });
    folder
}

fn place() -> BlobOp {
    BlobOp::Place { draft: DRAFT, oid: OID, source: Source::Written }
}

fn publish() -> BlobOp {
    BlobOp::Publish { draft: DRAFT, oid: OID, tid: TID }
}

impl Folder {
    fn run(&mut self, op: BlobOp) -> BlobDone {
        self.begin(&op);
        self.end(op)
    }

    /// The power fails, in one of many ways.
    fn after_power_loss(&self, dice: u64) -> Folder {
        let mut folder = self.clone();
        folder.lose_power(&mut Rng::new(Seed(dice)));
        folder
    }
}

#[test]
fn a_published_blob_survives_every_power_loss_and_a_start_keeps_it_if_it_is_committed() {
    let mut folder = written();
    assert_eq!(folder.run(place()), BlobDone::Placed { draft: DRAFT, result: Ok(true) });
    assert_eq!(folder.run(publish()), BlobDone::Published { draft: DRAFT, result: Ok(()) });
    for dice in 0..50 {
        let folder = folder.after_power_loss(dice);
        assert_eq!(folder.durable(OID, TID), Some(&b"a blob"[..]));
        for committed in [true, false] {
            let mut folder = folder.clone();
            folder.clean(|_, _| committed);
            assert_eq!(folder.blob(OID, TID).is_some(), committed);
            assert_eq!(folder.names().count(), usize::from(committed));
        }
    }
}

#[test]
fn a_blob_whose_place_or_name_is_not_synced_is_lost_in_some_power_losses() {
    let (mut unplaced, mut unnamed) = (written(), written());
    unplaced.begin(&place());
    unplaced.begin(&publish());
    unnamed.run(place());
    unnamed.begin(&publish());
    for folder in [unplaced, unnamed] {
        assert_eq!(folder.blob(OID, TID), Some(&b"a blob"[..]));
        assert_ne!(folder.durable(OID, TID), Some(&b"a blob"[..]));
        let survived = (0..50).filter(|&dice| folder.after_power_loss(dice).blob(OID, TID).is_some());
        assert!((1..50).contains(&survived.count()));
    }
}

#[test]
fn whatever_is_left_of_a_draft_after_any_power_loss_goes_at_the_next_start() {
    let mut folder = written();
    let mut stages = vec![folder.clone()];
    for op in [place(), publish(), BlobOp::Discard { draft: DRAFT, oid: Some(OID), published: Some(TID) }] {
        folder.begin(&op);
        stages.push(folder.clone());
        folder.end(op);
        stages.push(folder.clone());
    }
    assert_eq!(folder.names().count(), 0);
    for (stage, folder) in stages.iter().enumerate() {
        for dice in 0..50 {
            let mut folder = folder.after_power_loss(dice);
            folder.clean(|_, _| false);
            assert_eq!(folder.names().count(), 0, "stage {stage}, dice {dice}");
            assert_eq!(folder.after_power_loss(dice).durable(OID, TID), None);
        }
    }
}

#[test]
fn a_place_that_fails_leaves_nothing() {
    for begun in [false, true] {
        let mut folder = written();
        if begun {
            folder.begin(&place());
        }
        let failed = folder.fail(place(), begun, DiskError::Full);
        assert_eq!(failed, Ok(BlobDone::Placed { draft: DRAFT, result: Err(DiskError::Full) }));
        assert_eq!(folder.names().count(), 0);
    }
}

#[test]
fn the_blob_of_an_earlier_revision_is_another_name_of_it() {
    let mut folder = Folder::of([((OID, TID), b"a blob".to_vec())]);
    let copy = |tid| BlobOp::Place { draft: DRAFT, oid: OID, source: Source::Revision(tid) };
    assert_eq!(folder.run(copy(Tid(4))), BlobDone::Placed { draft: DRAFT, result: Ok(false) });
    assert_eq!(folder.run(copy(TID)), BlobDone::Placed { draft: DRAFT, result: Ok(true) });
    folder.run(BlobOp::Publish { draft: DRAFT, oid: OID, tid: Tid(6) });
    assert_eq!(folder.durable(OID, Tid(6)), Some(&b"a blob"[..]));
    assert_eq!(folder.durable(OID, TID), Some(&b"a blob"[..]));
}

#[test]
fn a_blob_that_a_pack_was_to_remove_may_be_left_when_the_disk_or_the_power_fails() {
    let mut folder = Folder::of([((OID, TID), b"a blob".to_vec())]);
    folder.run(BlobOp::Condemn { gone: vec![BlobId { oid: OID, tid: TID }], keep_old: false });
    let left = Name::Blob(OID, TID);
    assert!(!folder.may_be_left(left), "it is still to go");
    assert!(folder.fail(BlobOp::Sweep, false, DiskError::Full).is_ok());
    assert!(folder.may_be_left(left));
    assert_eq!(folder.run(BlobOp::Sweep), BlobDone::Swept { result: Ok(()) });
    assert_eq!((folder.names().count(), folder.may_be_left(left)), (0, false));
    let revived: Vec<_> = (0..50).map(|dice| folder.after_power_loss(dice)).collect();
    assert!(revived.iter().all(|folder| folder.blob(OID, TID).is_some() == folder.may_be_left(left)));
    assert!(revived.iter().any(|folder| folder.may_be_left(left)));
}
