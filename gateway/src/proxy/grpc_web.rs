//! Translates bodies between gRPC-Web, which browsers speak, and gRPC: base64 where the client wants text, and trailers
//! as a last frame, because pages cannot read them. Pieces go on as they come; nothing is held but a few bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use model::reason::Reason;
use plugins::Refusal;

use super::grpc::Dialect;
use super::head;

/// The flag of the frame that holds trailers.
const TRAILERS: u8 = 0x80;
/// Letters of base64 that stand for three bytes.
const GROUP: usize = 4;

/// One call that is translated.
#[derive(Debug)]
pub(super) struct Translation {
    text: bool,
    /// The letters of a group that is not complete.
    held: Vec<u8>,
}

impl Translation {
    /// The translation that a dialect needs; none for gRPC itself.
    pub(super) fn of(dialect: Dialect) -> Option<Self> {
        (dialect != Dialect::Grpc).then(|| Self {
            text: dialect == Dialect::WebText,
            held: Vec::with_capacity(GROUP),
        })
    }

    /// Whether the length of a request's body stays the same.
    pub(super) const fn keeps_length(&self) -> bool {
        !self.text
    }

    /// What the client answers to.
    pub(super) const fn dialect(&self) -> Dialect {
        if self.text { Dialect::WebText } else { Dialect::Web }
    }

    /// A piece of the request for the service; none is its end.
    pub(super) fn request(&mut self, piece: Option<Bytes>) -> Result<Option<Bytes>, Refusal> {
        match piece {
            piece if !self.text => Ok(piece),
            Some(piece) => self.decode(&piece).map(Some),
            None if self.held.is_empty() => Ok(None),
            None => Err(bad("The body ends within a group of base64.")),
        }
    }

    /// Decodes whole groups. Padding may stand at the end of any of them, wherever the client flushed.
    fn decode(&mut self, piece: &[u8]) -> Result<Bytes, Refusal> {
        let mut bytes = BytesMut::with_capacity((self.held.len() + piece.len()) / GROUP * 3);
        let mut rest = piece;
        if !self.held.is_empty() {
            let missing = (GROUP - self.held.len()).min(rest.len());
            self.held.extend_from_slice(&rest[..missing]);
            rest = &rest[missing..];
            if self.held.len() < GROUP {
                return Ok(Bytes::new());
            }
            decode_groups(&self.held, &mut bytes)?;
            self.held.clear();
        }
        let (groups, left) = rest.split_at(rest.len() - rest.len() % GROUP);
        decode_groups(groups, &mut bytes)?;
        self.held.extend_from_slice(left);
        Ok(bytes.freeze())
    }

    /// A piece of the response for the client.
    pub(super) fn response(&self, piece: Bytes) -> Bytes {
        if self.text && !piece.is_empty() {
            STANDARD.encode(&piece).into()
        } else {
            piece
        }
    }

    /// The trailers of the response for the client.
    pub(super) fn trailers(&self, trailers: &HeaderMap) -> Bytes {
        let mut lines = BytesMut::new();
        for (name, value) in trailers {
            lines.put_slice(name.as_str().as_bytes());
            lines.put_slice(b": ");
            lines.put_slice(value.as_bytes());
            lines.put_slice(b"\r\n");
        }
        let mut frame = BytesMut::with_capacity(5 + lines.len());
        frame.put_u8(TRAILERS);
        // The client of the service reads no trailers that would be longer.
        frame.put_u32(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        frame.unsplit(lines);
        self.response(frame.freeze())
    }
}

/// Decodes groups up to each that is padded, for what follows padding begins anew.
fn decode_groups(groups: &[u8], bytes: &mut BytesMut) -> Result<(), Refusal> {
    let mut rest = groups;
    while !rest.is_empty() {
        let padded = memchr::memchr(b'=', rest).map_or(rest.len(), |at| (at / GROUP + 1) * GROUP);
        let (run, behind) = rest.split_at(padded);
        let decoded = STANDARD.decode(run).map_err(|_| bad("The body is no base64."))?;
        bytes.put_slice(&decoded);
        rest = behind;
    }
    Ok(())
}

fn bad(detail: &'static str) -> Refusal {
    head::refusal(Reason::BadRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn text() -> Translation {
        Translation::of(Dialect::WebText).expect("a translation")
    }

    fn read(text_body: &[u8], piece: usize) -> Result<Vec<u8>, Refusal> {
        let (mut translation, mut bytes) = (text(), Vec::new());
        for piece in text_body.chunks(piece) {
            let piece = translation.request(Some(Bytes::copy_from_slice(piece)))?;
            bytes.extend_from_slice(&piece.unwrap_or_default());
        }
        translation.request(None)?;
        Ok(bytes)
    }

    #[test]
    fn grpc_itself_is_not_translated_and_binary_stays_as_it_is() {
        assert!(Translation::of(Dialect::Grpc).is_none());
        let mut binary = Translation::of(Dialect::Web).expect("a translation");
        let piece = Bytes::from_static(b"\0\0\0\0\x01x");
        assert_eq!(binary.request(Some(piece.clone())).expect("bytes"), Some(piece.clone()));
        assert_eq!(binary.response(piece.clone()), piece);
    }

    #[test]
    fn trailers_become_a_frame() {
        let trailers = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static("0"))]);
        let binary = Translation::of(Dialect::Web).expect("a translation");
        assert_eq!(&binary.trailers(&trailers)[..], b"\x80\0\0\0\x10grpc-status: 0\r\n");
        assert_eq!(
            &text().trailers(&trailers)[..],
            STANDARD.encode(b"\x80\0\0\0\x10grpc-status: 0\r\n").as_bytes()
        );
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for body in [&b"AAA"[..], b"AAAA=", b"A===", b"====", b"AA*A", b"AAAA\r\n", b"=AAA"] {
            assert!(read(body, 3).is_err(), "{}", body.escape_ascii());
        }
        assert_eq!(read(b"", 1).expect("nothing"), b"");
    }

    proptest! {
        #[test]
        fn a_body_is_the_same_wherever_it_is_padded_and_split(
            flushes in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6), piece in 1_usize..20,
        ) {
            let body: String = flushes.iter().map(|flush| STANDARD.encode(flush)).collect();
            let read = read(body.as_bytes(), piece);
            prop_assert_eq!(read.map_err(|refusal| refusal.detail), Ok(flushes.concat()));
        }

        #[test]
        fn what_goes_out_as_text_comes_back_in(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
            let sent: Vec<u8> = pieces.iter().flat_map(|piece| text().response(piece.clone().into())).collect();
            prop_assert_eq!(read(&sent, 5).map_err(|refusal| refusal.detail), Ok(pieces.concat()));
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..100), piece in 1_usize..20) {
            let _ = read(&body, piece);
        }
    }
}
