use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use model::Kind;
use prometheus::IntGauge;
use proptest::prelude::*;
use uuid::Uuid;

use super::keeper::{BEFORE, Keeper, Message, NEWEST};
use super::*;

const SECRET: [u8; 32] = [5; 32];

type Rows = BTreeMap<(Kind, Uuid), Vec<u8>>;
type Change = (u8, Option<&'static str>);

/// A directory that is removed with its handle, and who writes in it.
struct Place {
    directory: PathBuf,
    keeper: Keeper,
    kept: IntGauge,
    lost: Arc<AtomicBool>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn row(number: u8, body: Option<&str>) -> Row<'_> {
    Row {
        kind: if number.is_multiple_of(2) {
            Kind::Route
        } else {
            Kind::Credential
        },
        id: Uuid::from_u128(u128::from(number)),
        body: body.map(str::as_bytes),
    }
}

impl Place {
    fn new(longest: u64) -> Self {
        let directory = std::env::temp_dir().join(format!("gatehouse-copy-{}", Uuid::now_v7()));
        fs::create_dir_all(&directory).expect("writable");
        let mut place = Self {
            keeper: Keeper::new(&directory, &SECRET, Arc::default(), gauge()),
            directory,
            kept: gauge(),
            lost: Arc::default(),
        };
        place.restart(longest);
        place
    }

    /// Another run of the gateway.
    fn restart(&mut self, longest: u64) {
        let keeper = Keeper::new(&self.directory, &SECRET, self.lost.clone(), self.kept.clone());
        self.keeper = keeper.with_longest(longest);
    }

    fn revision(&mut self, revision: i64, changes: &[Change]) {
        let mut records = Vec::new();
        for (number, body) in changes {
            records::push(row(*number, *body), &mut records);
            self.rows(std::mem::take(&mut records));
        }
        self.keeper.take(Message::Finish(point(revision)));
    }

    fn rows(&mut self, records: Vec<u8>) {
        let room = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("room");
        self.keeper.take(Message::Rows(records, room));
    }

    fn all(&mut self, revision: i64, rows: &[Change]) {
        self.keeper.take(Message::Begin);
        self.revision(revision, rows);
    }

    /// What a start would serve.
    fn read(&self) -> Option<(i64, Rows)> {
        self.read_under(&SECRET)
    }

    fn read_under(&self, secret: &[u8; 32]) -> Option<(i64, Rows)> {
        let mut rows = Rows::new();
        let found = find(&self.directory, secret, |step| match step {
            Step::Again => rows.clear(),
            Step::Row(Row { kind, id, body }) => match body {
                Some(body) => drop(rows.insert((kind, id), body.to_vec())),
                None => drop(rows.remove(&(kind, id))),
            },
        });
        let revision = |found: read::Found| {
            assert_eq!(found.point, point(found.point.revision));
            found.point.revision
        };
        found.map(|found| (revision(found), rows))
    }

    /// Goes on as a start does that found a copy.
    fn go_on(&mut self) {
        let found = find(&self.directory, &SECRET, |_| {}).expect("a copy");
        self.keeper.take(Message::Continue(found));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Some revisions have no mark, as those of earlier versions.
fn point(revision: i64) -> Point {
    let mark = (revision % 3 != 0).then(|| Uuid::from_u128(revision.unsigned_abs().into()));
    Point { revision, mark }
}

fn gauge() -> IntGauge {
    IntGauge::new("kept", "kept").expect("a gauge")
}

fn rows(changes: &[Change]) -> Rows {
    let kept = changes.iter().filter_map(|(number, body)| {
        let row = row(*number, *body);
        Some(((row.kind, row.id), row.body?.to_vec()))
    });
    kept.collect()
}

const FIRST: [Change; 3] = [(1, Some("one")), (2, Some("two")), (3, Some("three"))];

#[test]
fn changes_are_added_to_what_is_kept_and_nobody_else_reads_it() {
    let mut place = Place::new(1 << 20);
    assert_eq!(place.read(), None);
    place.all(1, &FIRST);
    let length = fs::metadata(place.path(NEWEST)).expect("a file").len();
    place.revision(2, &[(2, None), (4, Some("four"))]);
    place.revision(5, &[(1, Some("uno"))]);
    let expected = rows(&[(1, Some("uno")), (3, Some("three")), (4, Some("four"))]);
    assert_eq!(place.read(), Some((5, expected)));
    assert_eq!(place.kept.get(), 5);
    let grown = fs::metadata(place.path(NEWEST)).expect("a file").len() - length;
    assert!(grown < 400, "{grown} bytes for three small rows");
    let mode = fs::metadata(place.path(NEWEST)).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bytes = fs::read(place.path(NEWEST)).expect("readable");
    assert!(!bytes.windows(5).any(|part| part == b"three" || part == b"route"));
    assert_eq!(place.read_under(&[6; 32]), None, "another deployment");
}

#[test]
fn a_copy_that_grew_long_is_made_anew_and_the_one_before_stays() {
    let mut place = Place::new(300);
    place.all(1, &FIRST);
    let mut expected = rows(&FIRST);
    for revision in 2..40 {
        let change: Change = match revision % 4 {
            0 => (2, None),
            1 => (2, Some("again")),
            2 => (7, Some("seven")),
            _ => (1, Some("uno")),
        };
        place.revision(revision, &[change]);
        let row = row(change.0, change.1);
        match row.body {
            Some(body) => drop(expected.insert((row.kind, row.id), body.to_vec())),
            None => drop(expected.remove(&(row.kind, row.id))),
        }
        assert_eq!(place.read(), Some((revision, expected.clone())));
        let length = fs::metadata(place.path(NEWEST)).expect("a file").len();
        assert!(length < 900, "{length}");
    }
    fs::write(place.path(NEWEST), "nonsense").expect("writable");
    let (revision, _) = place.read().expect("the one before");
    assert!((30..39).contains(&revision), "{revision}");
}

#[test]
fn what_has_no_complete_revision_counts_for_nothing() {
    let mut place = Place::new(1 << 20);
    place.all(1, &FIRST);
    let mut records = Vec::new();
    records::push(row(9, Some("nine")), &mut records);
    for _ in 0..3 {
        place.rows(records.clone());
    }
    place.keeper.take(Message::Drop);
    place.revision(2, &[(2, None)]);
    let expected = rows(&[(1, Some("one")), (3, Some("three"))]);
    assert_eq!(place.read(), Some((2, expected.clone())));
    place.keeper.take(Message::Begin);
    for _ in 0..3 {
        place.rows(records.clone());
    }
    assert_eq!(place.read(), Some((2, expected)));
}

#[test]
fn a_run_goes_on_with_the_copy_of_the_one_before() {
    let mut place = Place::new(1 << 20);
    place.all(1, &FIRST);
    place.revision(2, &[(2, None)]);
    for revision in 3..6 {
        let mut bytes = fs::read(place.path(NEWEST)).expect("readable");
        // The end of something that was being written when the machine lost its power.
        bytes.extend_from_slice(&[40, 0, 0, 0, 1, 2, 3]);
        fs::write(place.path(NEWEST), bytes).expect("writable");
        place.restart(1 << 20);
        place.go_on();
        assert_eq!(place.kept.get(), revision - 1);
        place.revision(revision, &[(1, Some("uno"))]);
        let expected = rows(&[(1, Some("uno")), (3, Some("three"))]);
        assert_eq!(place.read(), Some((revision, expected)));
    }
}

#[test]
fn a_run_goes_on_with_the_one_before_the_newest_when_that_is_damaged() {
    let mut place = Place::new(1 << 20);
    place.all(1, &FIRST);
    place.all(2, &[(1, Some("uno"))]);
    fs::write(place.path(NEWEST), "nonsense").expect("writable");
    place.restart(1 << 20);
    place.go_on();
    place.revision(3, &[(3, None)]);
    assert_eq!(place.read(), Some((3, rows(&[(1, Some("one")), (2, Some("two"))]))));
    assert!(!place.path(BEFORE).exists());
}

#[test]
fn a_failure_gives_the_copy_up_until_all_rows_come_again() {
    let mut place = Place::new(1 << 20);
    place.all(1, &FIRST);
    let moved = place.directory.with_extension("away");
    fs::rename(&place.directory, &moved).expect("movable");
    place.keeper.take(Message::Begin);
    assert!(place.lost.load(Ordering::Acquire));
    place.revision(2, &[(1, None)]);
    fs::rename(&moved, &place.directory).expect("movable");
    assert_eq!(place.read(), Some((1, rows(&FIRST))), "what was there stays");
    place.lost.store(false, Ordering::Release);
    place.all(3, &[(1, Some("uno"))]);
    assert_eq!(place.read(), Some((3, rows(&[(1, Some("uno"))]))));
}

/// Every revision that was ever complete, by its number.
fn three_revisions(place: &mut Place) -> BTreeMap<i64, Rows> {
    let before = [(1, Some("old")), (2, Some("older"))];
    place.all(1, &before);
    place.all(2, &FIRST);
    place.revision(3, &[(2, None), (4, Some("four"))]);
    place.revision(4, &[(1, Some("uno"))]);
    let three: [Change; 3] = [(1, Some("one")), (3, Some("three")), (4, Some("four"))];
    let four: [Change; 3] = [(1, Some("uno")), (3, Some("three")), (4, Some("four"))];
    BTreeMap::from([
        (1, rows(&before)),
        (2, rows(&FIRST)),
        (3, rows(&three)),
        (4, rows(&four)),
    ])
}

#[test]
fn a_copy_that_is_cut_anywhere_is_an_older_revision_as_it_was() {
    let mut place = Place::new(1 << 20);
    let known = three_revisions(&mut place);
    let whole = fs::read(place.path(NEWEST)).expect("readable");
    let mut last = 0;
    for length in 0..=whole.len() {
        fs::write(place.path(NEWEST), &whole[..length]).expect("writable");
        let (revision, rows) = place.read().expect("a revision");
        assert_eq!(Some(&rows), known.get(&revision), "cut at {length}");
        assert!(revision >= last, "cut at {length}");
        last = revision;
    }
    assert_eq!(last, 4);
}

#[test]
fn a_copy_with_any_byte_changed_is_an_older_revision_as_it_was() {
    let mut place = Place::new(1 << 20);
    let known = three_revisions(&mut place);
    let whole = fs::read(place.path(NEWEST)).expect("readable");
    for at in 0..whole.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= flip;
            fs::write(place.path(NEWEST), &changed).expect("writable");
            let (revision, rows) = place.read().expect("a revision");
            assert!(revision < 4, "byte {at} is not looked at");
            assert_eq!(Some(&rows), known.get(&revision), "byte {at}");
        }
    }
}

#[test]
fn frames_that_change_places_are_none() {
    let mut place = Place::new(1 << 20);
    place.all(2, &FIRST);
    let base = fs::read(place.path(NEWEST)).expect("readable").len();
    place.revision(3, &[(2, None)]);
    let one = fs::read(place.path(NEWEST)).expect("readable").len();
    place.revision(4, &[(1, Some("uno"))]);
    let whole = fs::read(place.path(NEWEST)).expect("readable");
    let swapped = [&whole[..base], &whole[one..], &whole[base..one]].concat();
    fs::write(place.path(NEWEST), swapped).expect("writable");
    assert_eq!(place.read(), Some((2, rows(&FIRST))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_changes_and_whenever_it_restarts_the_last_revision_is_read(
        steps in prop::collection::vec((0_u8..12, 0_u8..4, any::<bool>()), 1..40),
    ) {
        let mut place = Place::new(250);
        place.all(1, &FIRST);
        let mut expected = rows(&FIRST);
        for (revision, (number, what, restarts)) in (2..).zip(steps) {
            if restarts {
                place.restart(250);
                place.go_on();
            }
            let body = ["gone", "some", "more", "most"][usize::from(what)];
            let body = Some(body).filter(|body| *body != "gone");
            place.revision(revision, &[(number, body)]);
            let row = row(number, body);
            match body {
                Some(body) => drop(expected.insert((row.kind, row.id), body.as_bytes().to_vec())),
                None => drop(expected.remove(&(row.kind, row.id))),
            }
            prop_assert_eq!(place.read(), Some((revision, expected.clone())));
        }
    }
}
