//! The form of a copy on disk: a head, and sealed frames of records one after the other.
//!
//! The head names the format and carries a random number. Each frame is sealed with AES-256-GCM under a key that
//! HKDF-SHA-256 derives from the deployment's secret and that number; its place in the file is authenticated with it. So
//! a frame that was changed, cut, moved or taken from another file is none.
//!
//! A frame begins, once it is opened, with a byte that says whether a revision ends with it, and with that revision; where it has
//! a mark, the byte says so and the mark follows.

use std::io::{self, Read, Write};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;
use ring::rand::{SecureRandom as _, SystemRandom};
use uuid::Uuid;

use crate::source::Point;

/// What a copy begins with.
const MARK: &[u8; 17] = b"Gatehouse copy 1\n";
/// What the derived key is for.
const CONTEXT: &[u8] = b"gatehouse configuration copy v1";
/// The length of the number after the mark.
pub(super) const SALT: usize = 16;
/// What stands before the records of a frame: whether a revision ends, and which.
const HEAD: usize = 9;
/// No revision ends with the frame.
const GOES_ON: u8 = 0;
/// A revision does, without a mark.
const ENDS: u8 = 1;
/// A revision does, whose mark follows.
const ENDS_MARKED: u8 = 2;
/// The longest frame; a body of one row is far below.
const LONGEST: usize = 1 << 30;

fn unspecified(_: ring::error::Unspecified) -> io::Error {
    io::Error::other("no random numbers or no sealing")
}

fn key(secret: &[u8; 32], salt: &[u8; SALT]) -> io::Result<LessSafeKey> {
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let context = [CONTEXT];
    let material = extracted.expand(&context, &AES_256_GCM).map_err(unspecified)?;
    Ok(LessSafeKey::new(UnboundKey::from(material)))
}

/// Where a file is between two frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes before it.
    pub(super) offset: u64,
    /// Frames before it.
    pub(super) number: u64,
}

/// Writes frames.
pub(super) struct Writer<W> {
    inner: W,
    key: LessSafeKey,
    random: SystemRandom,
    place: Place,
    sealed: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a new copy.
    pub(super) fn begin(mut inner: W, secret: &[u8; 32]) -> io::Result<Self> {
        let random = SystemRandom::new();
        let mut salt = [0; SALT];
        random.fill(&mut salt).map_err(unspecified)?;
        inner.write_all(MARK)?;
        inner.write_all(&salt)?;
        let place = Place {
            offset: (MARK.len() + SALT) as u64,
            number: 0,
        };
        Ok(Self {
            inner,
            key: key(secret, &salt)?,
            random,
            place,
            sealed: Vec::new(),
        })
    }

    /// Goes on with a copy at a place, where `inner` has to stand.
    pub(super) fn resume(inner: W, secret: &[u8; 32], salt: &[u8; SALT], place: Place) -> io::Result<Self> {
        Ok(Self {
            inner,
            key: key(secret, salt)?,
            random: SystemRandom::new(),
            place,
            sealed: Vec::new(),
        })
    }

    /// Writes a frame; `ends` is the revision that is complete with it.
    pub(super) fn frame(&mut self, ends: Option<Point>, records: &[u8]) -> io::Result<()> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(unspecified)?;
        self.sealed.clear();
        let mark = ends.and_then(|point| point.mark);
        self.sealed.push(match (ends, mark) {
            (None, _) => GOES_ON,
            (Some(_), None) => ENDS,
            (Some(_), Some(_)) => ENDS_MARKED,
        });
        let revision = ends.map_or(0, |point| point.revision);
        self.sealed.extend_from_slice(&revision.to_le_bytes());
        if let Some(mark) = mark {
            self.sealed.extend_from_slice(mark.as_bytes());
        }
        self.sealed.extend_from_slice(records);
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.place.number.to_le_bytes()),
                &mut self.sealed,
            )
            .map_err(unspecified)?;
        let length = u32::try_from(self.sealed.len()).map_err(io::Error::other)?;
        self.inner.write_all(&length.to_le_bytes())?;
        self.inner.write_all(&nonce)?;
        self.inner.write_all(&self.sealed)?;
        self.place.offset += 4 + NONCE_LEN as u64 + u64::from(length);
        self.place.number += 1;
        // One long frame should not cost its memory for ever.
        self.sealed.shrink_to(1 << 20);
        Ok(())
    }

    /// Where the next frame goes.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// What it writes to stands at another place now.
    pub(super) fn go_to(&mut self, place: Place) {
        self.place = place;
    }

    /// What it writes to.
    pub(super) fn inner(&mut self) -> &mut W {
        &mut self.inner
    }
}

/// Reads frames.
pub(super) struct Reader<R> {
    inner: R,
    key: LessSafeKey,
    salt: [u8; SALT],
    place: Place,
    buffer: Vec<u8>,
}

/// A frame that was opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// The revision that is complete with it.
    pub(super) ends: Option<Point>,
    /// Its records.
    pub(super) records: &'a [u8],
}

impl<R: Read> Reader<R> {
    /// Begins with a copy; the error says why it is none.
    pub(super) fn begin(mut inner: R, secret: &[u8; 32]) -> Result<Self, String> {
        let (mut mark, mut salt) = ([0; MARK.len()], [0; SALT]);
        let read = inner.read_exact(&mut mark).and_then(|()| inner.read_exact(&mut salt));
        read.map_err(|error| error.to_string())?;
        if mark != *MARK {
            return Err("it is no copy, or of another version".to_owned());
        }
        let place = Place {
            offset: (MARK.len() + SALT) as u64,
            number: 0,
        };
        Ok(Self {
            inner,
            key: key(secret, &salt).map_err(|error| error.to_string())?,
            salt,
            place,
            buffer: Vec::new(),
        })
    }

    /// The number that its key is derived from.
    pub(super) fn salt(&self) -> [u8; SALT] {
        self.salt
    }

    /// Where the next frame begins.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Its next frame begins at another place now, where what it reads from has to be brought.
    pub(super) fn go_to(&mut self, place: Place) -> &mut R {
        self.place = place;
        &mut self.inner
    }

    /// The next frame; none at the end, an error where the rest is damaged.
    pub(super) fn next(&mut self) -> Result<Option<Frame<'_>>, &'static str> {
        const TORN: &str = "it ends in the midst of a frame";
        let mut length = [0; 4];
        match self.inner.read(&mut length[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(_) => return Err(TORN),
        }
        self.inner.read_exact(&mut length[1..]).map_err(|_| TORN)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST {
            return Err("it has a frame that is too long");
        }
        let mut nonce = [0; NONCE_LEN];
        self.inner.read_exact(&mut nonce).map_err(|_| TORN)?;
        // A length that was damaged takes no more memory than there are bytes.
        self.buffer.clear();
        let read = self.inner.by_ref().take(length as u64).read_to_end(&mut self.buffer);
        if !read.is_ok_and(|read| read == length) {
            return Err(TORN);
        }
        let opened = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.place.number.to_le_bytes()),
                &mut self.buffer,
            )
            .map_err(|_| "it has a frame that is damaged, or of another deployment")?;
        let (head, records) = opened.split_first_chunk::<HEAD>().ok_or(TORN)?;
        let [ends, revision @ ..] = *head;
        let revision = i64::from_le_bytes(revision);
        let (ends, records) = match ends {
            GOES_ON => (None, records),
            ENDS => (Some(Point::unmarked(revision)), records),
            ENDS_MARKED => {
                let (mark, records) = records.split_first_chunk().ok_or(TORN)?;
                let mark = Some(Uuid::from_bytes(*mark));
                (Some(Point { revision, mark }), records)
            }
            _ => return Err("it was written by a newer program"),
        };
        self.place.offset += (4 + NONCE_LEN + length) as u64;
        self.place.number += 1;
        Ok(Some(Frame { ends, records }))
    }
}
