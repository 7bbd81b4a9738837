//! What is known of a credential beside its hash and its owner, in few bytes.
//!
//! A byte says where it is in its life and what else follows; then the identifier with its length in a byte, the end,
//! and the networks with their number before them.

use std::net::IpAddr;

use ipnet::IpNet;
use model::clock::Timestamp;
use model::credential::CredentialStatus;
use model::snapshot::CredentialRef;
use plugins::directory::Credential;

const STATUS: u8 = 0b11;
const ENDS: u8 = 0b100;
const NETWORKS: u8 = 0b1000;

/// Adds what is known; the error says why that cannot be.
pub(super) fn push(row: &CredentialRef<'_>, facts: &mut Vec<u8>) -> Result<(), String> {
    let length = u8::try_from(row.identifier.len()).map_err(|_| "its identifier is longer than 255 bytes")?;
    let count = u16::try_from(row.ip_allow.len()).map_err(|_| "it has more than 65535 networks")?;
    let mut first = match row.status {
        CredentialStatus::Active => 0,
        CredentialStatus::Disabled => 1,
        CredentialStatus::Revoked => 2,
    };
    first |= if row.expires_at.is_some() { ENDS } else { 0 };
    first |= if count > 0 { NETWORKS } else { 0 };
    facts.extend_from_slice(&[first, length]);
    facts.extend_from_slice(row.identifier.as_bytes());
    if let Some(end) = row.expires_at {
        facts.extend_from_slice(&end.unix_timestamp_nanos().to_le_bytes());
    }
    if count > 0 {
        facts.extend_from_slice(&count.to_le_bytes());
    }
    for network in &row.ip_allow {
        match network.addr() {
            IpAddr::V4(ip) => {
                facts.extend_from_slice(&[4, network.prefix_len()]);
                facts.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                facts.extend_from_slice(&[6, network.prefix_len()]);
                facts.extend_from_slice(&ip.octets());
            }
        }
    }
    Ok(())
}

/// Reads what was added, and how long that is.
pub(super) fn read(facts: &[u8]) -> Option<(Credential, usize)> {
    let mut left = facts;
    let [first, length] = *take(&mut left)?;
    let identifier = left.split_off(..usize::from(length))?;
    let status = match first & STATUS {
        0 => CredentialStatus::Active,
        1 => CredentialStatus::Disabled,
        _ => CredentialStatus::Revoked,
    };
    let mut expires_at = None;
    if first & ENDS != 0 {
        let end = i128::from_le_bytes(*take(&mut left)?);
        expires_at = Some(Timestamp::from_unix_timestamp_nanos(end).ok()?);
    }
    let count = if first & NETWORKS == 0 {
        0
    } else {
        u16::from_le_bytes(*take(&mut left)?)
    };
    let networks = (0..count).map(|_| {
        let [version, prefix] = *take(&mut left)?;
        let ip = if version == 4 {
            IpAddr::from(*take::<4>(&mut left)?)
        } else {
            IpAddr::from(*take::<16>(&mut left)?)
        };
        IpNet::new(ip, prefix).ok()
    });
    let ip_allow = networks.collect::<Option<Vec<_>>>()?;
    let credential = Credential {
        status,
        identifier: String::from_utf8_lossy(identifier).into_owned(),
        ip_allow,
        expires_at,
    };
    Some((credential, facts.len() - left.len()))
}

fn take<'a, const LENGTH: usize>(left: &mut &'a [u8]) -> Option<&'a [u8; LENGTH]> {
    left.split_off(..LENGTH)?.first_chunk()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::credential::CredentialKind;
    use model::id::ConsumerId;
    use time::Duration;

    #[test]
    fn facts_are_read_as_they_were_written_one_after_the_other() {
        let network = |text: &str| text.parse::<IpNet>().expect("a network");
        let end = Timestamp::UNIX_EPOCH + Duration::new(1_800_000_000, 123_456_789);
        let table = [
            (CredentialStatus::Active, "", vec![], None),
            (CredentialStatus::Disabled, "gh_live_7f3k", vec![], Some(end)),
            (
                CredentialStatus::Revoked,
                "gh",
                vec![network("10.0.0.0/8"), network("2001:db8::7/128")],
                Some(end),
            ),
            (CredentialStatus::Active, "x", vec![network("192.0.2.1/32")], None),
        ];
        let mut facts = Vec::new();
        for (status, identifier, ip_allow, expires_at) in table.clone() {
            let row = CredentialRef {
                consumer: ConsumerId::generate(),
                kind: CredentialKind::Key,
                hash: "".into(),
                identifier: identifier.into(),
                status,
                ip_allow,
                expires_at,
            };
            push(&row, &mut facts).expect("short");
        }
        let mut at = 0;
        for (status, identifier, ip_allow, expires_at) in table {
            let (credential, length) = read(&facts[at..]).expect("facts");
            at += length;
            assert_eq!(
                (credential.status, credential.identifier.as_str()),
                (status, identifier)
            );
            assert_eq!((credential.ip_allow, credential.expires_at), (ip_allow, expires_at));
        }
        assert_eq!(at, facts.len());
    }
}
