//! Reads bodies of responses piece by piece, and knows where they end (RFC 9112, sections 6 and 7).

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::upstream::Failure;
use crate::upstream::client::fault::Fault;

/// The longest line with the size of a chunk, extensions included.
const SIZE_LINE: usize = 256;
/// The most bytes of trailers.
const TRAILERS: usize = 16 * 1024;

/// What is still to come of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoder {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// All until the connection ends.
    UntilClose,
    /// Nothing.
    Done,
}

/// Where in the chunks a reader is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Before the line with a size.
    Size,
    /// In a chunk, with so many bytes left.
    Data(u64),
    /// Before the line end behind a chunk.
    DataEnd,
    /// Behind the last chunk.
    Trailers,
}

/// What a step yielded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A piece of the body.
    Data(Bytes),
    /// More bytes have to come.
    More,
    /// The body is whole.
    End(Option<HeaderMap>),
}

impl Decoder {
    /// Takes the next piece out of `input`.
    pub(super) fn step(&mut self, input: &mut BytesMut) -> Result<Step, Fault> {
        match self {
            Self::Done => Ok(Step::End(None)),
            Self::UntilClose if input.is_empty() => Ok(Step::More),
            Self::UntilClose => Ok(Step::Data(input.split().freeze())),
            Self::Length(0) => {
                *self = Self::Done;
                Ok(Step::End(None))
            }
            Self::Length(left) => Ok(take(left, input)),
            Self::Chunked(chunk) => {
                let step = chunk.step(input)?;
                if matches!(step, Step::End(_)) {
                    *self = Self::Done;
                }
                Ok(step)
            }
        }
    }

    /// The connection has ended: whether the body is whole.
    pub(super) fn close(&mut self) -> Result<Step, Fault> {
        match self {
            Self::UntilClose | Self::Done => {
                *self = Self::Done;
                Ok(Step::End(None))
            }
            _ => Err(Fault::new(
                Failure::Reset,
                "the connection ended in the midst of the body",
            )),
        }
    }
}

fn take(left: &mut u64, input: &mut BytesMut) -> Step {
    if input.is_empty() {
        return Step::More;
    }
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= count as u64;
    Step::Data(input.split_to(count).freeze())
}

impl Chunk {
    fn step(&mut self, input: &mut BytesMut) -> Result<Step, Fault> {
        loop {
            match self {
                Self::Size => {
                    let Some(line) = line(input, SIZE_LINE)? else {
                        return Ok(Step::More);
                    };
                    *self = match size(&line)? {
                        0 => Self::Trailers,
                        size => Self::Data(size),
                    };
                }
                Self::Data(0) => *self = Self::DataEnd,
                Self::Data(left) => return Ok(take(left, input)),
                Self::DataEnd => {
                    if input.len() < 2 {
                        return Ok(Step::More);
                    }
                    if !input.starts_with(b"\r\n") {
                        return Err(Fault::bad_answer("a chunk is longer than its size says"));
                    }
                    input.advance(2);
                    *self = Self::Size;
                }
                Self::Trailers => return trailers(input),
            }
        }
    }
}

/// A line without its end; none when it is not complete.
fn line(input: &mut BytesMut, longest: usize) -> Result<Option<BytesMut>, Fault> {
    match memchr::memchr(b'\n', input) {
        Some(at) if at > longest => Err(Fault::bad_answer("a line between chunks is too long")),
        Some(at) if at > 0 && input[at - 1] == b'\r' => {
            let line = input.split_to(at - 1);
            input.advance(2);
            Ok(Some(line))
        }
        Some(_) => Err(Fault::bad_answer(
            "a line between chunks ends without a carriage return",
        )),
        None if input.len() > longest => Err(Fault::bad_answer("a line between chunks is too long")),
        None => Ok(None),
    }
}

/// The size that a line gives; extensions mean nothing to us (RFC 9112, section 7.1.1).
fn size(line: &[u8]) -> Result<u64, Fault> {
    let digits = line
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii_end();
    let bad = || Fault::bad_answer("the size of a chunk is no number");
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(bad());
    }
    let text = std::str::from_utf8(digits).map_err(|_| bad())?;
    u64::from_str_radix(text, 16).map_err(|_| bad())
}

fn trailers(input: &mut BytesMut) -> Result<Step, Fault> {
    if input.starts_with(b"\r\n") {
        input.advance(2);
        return Ok(Step::End(None));
    }
    let Some(end) = memchr::memmem::find(input, b"\r\n\r\n") else {
        return if input.len() > TRAILERS {
            Err(Fault::bad_answer("the trailers are too large"))
        } else {
            Ok(Step::More)
        };
    };
    let block = input.split_to(end + 4);
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let bad = || Fault::bad_answer("the trailers cannot be read");
    let parsed = httparse::parse_headers(&block, &mut headers).map_err(|_| bad())?;
    let httparse::Status::Complete((_, headers)) = parsed else {
        return Err(bad());
    };
    let mut trailers = HeaderMap::with_capacity(headers.len());
    for header in headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| bad())?;
        let value = HeaderValue::from_bytes(header.value).map_err(|_| bad())?;
        trailers.append(name, value);
    }
    Ok(Step::End(Some(trailers)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a body that comes in pieces of this many bytes; what is left behind it comes last.
    fn read(mut decoder: Decoder, bytes: &[u8], piece: usize) -> Result<(Vec<u8>, usize), Fault> {
        let (mut input, mut body) = (BytesMut::new(), Vec::new());
        let mut pieces = bytes.chunks(piece.max(1));
        loop {
            match decoder.step(&mut input)? {
                Step::Data(data) => body.extend_from_slice(&data),
                Step::End(_) => return Ok((body, input.len() + pieces.map(<[u8]>::len).sum::<usize>())),
                Step::More => match pieces.next() {
                    Some(piece) => input.extend_from_slice(piece),
                    None => {
                        decoder.close()?;
                        return Ok((body, 0));
                    }
                },
            }
        }
    }

    fn chunked(bytes: &[u8]) -> Result<(Vec<u8>, usize), Fault> {
        read(Decoder::Chunked(Chunk::Size), bytes, 3)
    }

    #[test]
    fn chunks_are_put_together_and_what_follows_is_left() {
        for (bytes, body, left) in [
            (&b"0\r\n\r\n"[..], &b""[..], 0),
            (b"3\r\nabc\r\n0\r\n\r\n", b"abc", 0),
            (b"3;name=value\r\nabc\r\n02\r\nde\r\n0\r\nX-A: 1\r\n\r\n", b"abcde", 0),
            (b"A\r\n0123456789\r\n0\r\n\r\nHTTP", b"0123456789", 4),
        ] {
            let read = chunked(bytes).unwrap_or_else(|fault| panic!("{bytes:?}: {fault}"));
            assert_eq!(read, (body.to_vec(), left), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_chunk_is_a_bad_answer() {
        for bytes in [
            &b"3\nabc\r\n0\r\n\r\n"[..],
            b"+3\r\nabc\r\n0\r\n\r\n",
            b"0x3\r\nabc\r\n0\r\n\r\n",
            b"\r\nabc",
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"ffffffffffffffff\r\n",
            b"3\r\nabc\r\n0\r\nno header\r\n\r\n",
        ] {
            assert!(chunked(bytes).is_err(), "{}", bytes.escape_ascii());
        }
        let endless = vec![b'1'; SIZE_LINE * 2];
        assert!(chunked(&endless).is_err());
    }

    #[test]
    fn a_body_that_breaks_off_is_never_whole() {
        assert!(chunked(b"3\r\nab").is_err() && chunked(b"3\r\nabc\r\n").is_err());
        assert!(read(Decoder::Length(5), b"abc", 2).is_err());
        assert_eq!(read(Decoder::UntilClose, b"abc", 2).expect("whole").0, b"abc");
    }

    #[test]
    fn trailers_are_kept() {
        let mut input = BytesMut::from(&b"0\r\nGrpc-Status: 0\r\n\r\n"[..]);
        let step = Decoder::Chunked(Chunk::Size).step(&mut input).expect("whole");
        let Step::End(Some(trailers)) = step else {
            panic!("no trailers: {step:?}")
        };
        assert_eq!(trailers["grpc-status"], "0");
    }

    proptest! {
        #[test]
        fn however_the_bytes_come_the_body_is_the_same(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            piece in 1_usize..50,
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let (body, left) = read(Decoder::Chunked(Chunk::Size), &wire, piece).expect("valid chunks");
            prop_assert_eq!((body, left), (chunks.concat(), 0));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1_usize..20) {
            let _ = read(Decoder::Chunked(Chunk::Size), &bytes, piece);
        }
    }
}
