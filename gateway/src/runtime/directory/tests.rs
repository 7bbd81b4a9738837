use std::collections::BTreeMap;

use model::credential::{CredentialKind, CredentialStatus};
use model::id::ConsumerId;
use model::snapshot::{ConsumerRow, ConsumerStatus, CredentialRef};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const SECRET: [u8; 32] = [4; 32];

fn consumer(number: u8) -> ConsumerId {
    Uuid::from_u128(u128::from(number)).into()
}

fn credential(number: u16) -> CredentialId {
    Uuid::from_u128(u128::from(number) << 64).into()
}

fn key(number: u16) -> KeySecret {
    KeySecret::presented(format!("key-{number}"))
}

fn consumer_row(name: u8) -> ConsumerRow {
    ConsumerRow {
        name: format!("name-{name}"),
        custom_id: None,
        status: ConsumerStatus::Active,
        grants: None,
    }
}

/// What `roll` is told of a credential: whose it is and which key it has.
fn enter(roll: &mut Roll, id: u16, owner: u8, secret: u16) {
    let hash = Known::nobody(&SECRET).hash(&key(secret));
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let row = CredentialRef {
        consumer: consumer(owner),
        kind: CredentialKind::Key,
        hash: hash.into(),
        identifier: format!("{}-{id}", "i".repeat(usize::from(id % 40))).into(),
        status: CredentialStatus::Active,
        ip_allow: Vec::new(),
        expires_at: None,
    };
    roll.set_credential(credential(id), Some(&row)).expect("usable");
}

/// The same with plain maps: names by consumer, owner and key by credential.
#[derive(Debug, Clone, Default)]
struct Plain {
    consumers: BTreeMap<u8, u8>,
    credentials: BTreeMap<u16, (u8, u16)>,
}

fn compare(known: &Known, plain: &Plain) -> Result<(), TestCaseError> {
    for name in 0..6 {
        let expected = plain.consumers.iter().find(|(_, known)| **known == name);
        let found = known.find_consumer(&format!("name-{name}"));
        prop_assert_eq!(found.map(|found| found.id), expected.map(|(id, _)| consumer(*id)));
    }
    for number in 0..60 {
        let holder = plain.credentials.iter().find(|(_, (_, secret))| *secret == number);
        let holder = holder.filter(|(_, (owner, _))| plain.consumers.contains_key(owner));
        let found = known.find_key(&key(number)).map(|found| (found.id, found.consumer.id));
        prop_assert_eq!(
            found,
            holder.map(|(id, (owner, _))| (credential(*id), consumer(*owner)))
        );
        let held = plain.credentials.get(&number);
        let held = held.filter(|(owner, _)| plain.consumers.contains_key(owner));
        let found = known.credential(credential(number)).map(|found| found.consumer.id);
        prop_assert_eq!(found, held.map(|(owner, _)| consumer(*owner)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn it_knows_what_plain_maps_know_and_older_snapshots_stay(
        steps in prop::collection::vec((0_u8..5, 0_u8..6, 0_u16..60, 0_u16..60), 0..200),
    ) {
        let (mut roll, mut plain) = (Roll::nobody(&SECRET), Plain::default());
        let half = steps.len() / 2;
        let mut older = None;
        for (number, (what, person, id, secret)) in steps.into_iter().enumerate() {
            if number == half {
                older = Some((roll.known(), plain.clone()));
            }
            let is_taken = |(other, (_, known)): (&u16, &(u8, u16))| *known == secret && *other != id;
            let name = u8::try_from(secret % 6).expect("small");
            match what {
                0 if plain.consumers.iter().all(|(other, known)| *known != name || *other == person) => {
                    roll.set_consumer(consumer(person), Some(consumer_row(name)));
                    plain.consumers.insert(person, name);
                }
                1 => {
                    roll.set_consumer(consumer(person), None);
                    plain.consumers.remove(&person);
                }
                2 if !plain.credentials.iter().any(is_taken) => {
                    enter(&mut roll, id, person, secret);
                    plain.credentials.insert(id, (person, secret));
                }
                3 => {
                    // What waits is entered now.
                    roll.known();
                }
                _ => {
                    roll.set_credential(credential(id), None).expect("usable");
                    plain.credentials.remove(&id);
                }
            }
        }
        for (known, plain) in older.into_iter().chain([(roll.known(), plain)]) {
            compare(&known, &plain)?;
        }
    }
}

#[test]
fn consumers_may_swap_their_names_in_one_revision() {
    let mut roll = Roll::nobody(&SECRET);
    roll.set_consumer(consumer(1), Some(consumer_row(1)));
    roll.set_consumer(consumer(2), Some(consumer_row(2)));
    roll.set_consumer(consumer(1), Some(consumer_row(2)));
    roll.set_consumer(consumer(2), Some(consumer_row(1)));
    let known = roll.known();
    let id = |name: &str| known.find_consumer(name).map(|found| found.id);
    assert_eq!((id("name-1"), id("name-2")), (Some(consumer(2)), Some(consumer(1))));
}

#[test]
fn of_two_credentials_of_one_key_the_later_one_counts() {
    for known_between in [false, true] {
        let mut roll = Roll::nobody(&SECRET);
        roll.set_consumer(consumer(1), Some(consumer_row(1)));
        for number in 1..4 {
            enter(&mut roll, number, 1, 7);
            if known_between {
                roll.known();
            }
        }
        let known = roll.known();
        assert_eq!(known.find_key(&key(7)).map(|found| found.id), Some(credential(3)));
        assert!(known.credential(credential(1)).is_none() && known.credential(credential(2)).is_none());
        // Nothing is left of the others, so that the number of their consumer is free.
        roll.set_credential(credential(3), None).expect("usable");
        roll.set_consumer(consumer(1), None);
        assert!(roll.known().find_key(&key(7)).is_none());
        roll.set_consumer(consumer(2), Some(consumer_row(2)));
        assert_eq!(roll.known().consumer(0).map(|owner| owner.id), Some(consumer(2)));
    }
}

#[test]
fn many_keys_are_found_each_with_its_own_facts() {
    let mut roll = Roll::nobody(&SECRET);
    roll.set_consumer(consumer(1), Some(consumer_row(1)));
    for number in 0..20_000 {
        enter(&mut roll, number, 1, number);
        // Sooner or later, as a start that is read in pieces.
        if number % 7_000 == 0 {
            roll.known();
        }
    }
    for number in (0..20_000).step_by(3) {
        roll.set_credential(credential(number), None).expect("usable");
    }
    let known = roll.known();
    for number in 0..20_000 {
        let found = known.find_key(&key(number));
        let identifier = found.map(|found| found.credential.identifier);
        let expected = format!("{}-{number}", "i".repeat(usize::from(number % 40)));
        assert_eq!(identifier, Some(expected).filter(|_| number % 3 != 0), "{number}");
        assert_eq!(
            known.credential(credential(number)).is_some(),
            number % 3 != 0,
            "{number}"
        );
    }
}
