//! The head of a request: its line and its headers.

use std::ops::Range;

use memchr::memchr;

use super::super::rule::Rule;
use super::line::{is_token, is_token_byte, is_value, trim};
use super::{Body, Request};
use crate::config::limits;

/// Letters of a method.
const METHOD: usize = 32;
/// Bytes of a request line: the target, and what is around it.
const LINE: usize = limits::TARGET + METHOD + 16;
/// Bytes of a header's name.
const NAME: usize = 128;
/// Digits of a length.
const DIGITS: usize = 19;

/// A head as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Where the next look begins.
    scanned: usize,
    /// Where the line begins that is not whole yet.
    line: usize,
    /// Where the headers begin, once the request line is whole.
    headers: Option<usize>,
    fields: usize,
    old: bool,
    /// The authority in the target of a request to a proxy.
    authority: Option<Range<usize>>,
    host: Option<Range<usize>>,
    length: Option<u64>,
    chunked: bool,
    expects_continue: bool,
    upgrade: Option<bool>,
    connection_upgrade: bool,
}

impl Head {
    /// Looks at all bytes since the beginning of the head; its length once it is whole.
    pub(super) fn examine(&mut self, bytes: &[u8]) -> Result<Option<usize>, Rule> {
        if bytes.first().is_some_and(|byte| !is_token_byte(*byte)) {
            return Err(Rule::RequestLine);
        }
        while let Some(found) = memchr(b'\n', &bytes[self.scanned..]) {
            let end = self.scanned + found;
            self.check_size(end + 1)?;
            let whole = self.line(bytes, self.line..end)?;
            self.scanned = end + 1;
            self.line = end + 1;
            if whole {
                self.check(bytes)?;
                return Ok(Some(end + 1));
            }
        }
        self.scanned = bytes.len();
        self.check_size(bytes.len())?;
        Ok(None)
    }

    /// Checks the bounds of a head that has so many bytes up to now.
    fn check_size(&self, length: usize) -> Result<(), Rule> {
        match self.headers {
            None if length > LINE => Err(Rule::TargetLength),
            Some(start) if length - start > limits::HEADERS => Err(Rule::HeaderSize),
            _ => Ok(()),
        }
    }

    /// Reads a line; whether it was the last one.
    fn line(&mut self, bytes: &[u8], range: Range<usize>) -> Result<bool, Rule> {
        let start = range.start;
        let line = bytes[range].strip_suffix(b"\r").ok_or(Rule::LineEnd)?;
        if self.headers.is_none() {
            self.request_line(line)?;
            self.headers = Some(start + line.len() + 2);
        } else if line.is_empty() {
            return Ok(true);
        } else {
            self.field(line, start)?;
        }
        Ok(false)
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Rule> {
        let first = memchr(b' ', line).ok_or(Rule::RequestLine)?;
        let (method, rest) = (&line[..first], &line[first + 1..]);
        let second = memchr(b' ', rest).ok_or(Rule::RequestLine)?;
        let (target, version) = (&rest[..second], &rest[second + 1..]);
        if method.len() > METHOD || !is_token(method) {
            return Err(Rule::Method);
        }
        self.old = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            // A third word, or a version of which nothing is known here.
            _ if memchr(b' ', version).is_some() => return Err(Rule::RequestLine),
            _ => return Err(Rule::Version),
        };
        // A service may not care for the case of letters.
        if method.eq_ignore_ascii_case(b"CONNECT") || method.eq_ignore_ascii_case(b"TRACE") {
            return Err(Rule::MethodRefused);
        }
        if target.len() > limits::TARGET {
            return Err(Rule::TargetLength);
        }
        self.target(method, target, first + 1)
    }

    /// Reads the target, which begins at this place.
    fn target(&mut self, method: &[u8], target: &[u8], start: usize) -> Result<(), Rule> {
        if target == b"*" {
            return if method == b"OPTIONS" {
                Ok(())
            } else {
                Err(Rule::Target)
            };
        }
        let path = if target.starts_with(b"/") {
            target
        } else {
            let scheme = [b"http://".as_slice(), b"https://"].into_iter().find(|scheme| {
                target
                    .get(..scheme.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            });
            let scheme = scheme.ok_or(Rule::Target)?;
            let rest = &target[scheme.len()..];
            // An empty path is allowed (RFC 9112, section 3.2.2), but read in two ways.
            let slash = memchr(b'/', rest).ok_or(Rule::Target)?;
            if !is_authority(&rest[..slash]) {
                return Err(Rule::Target);
            }
            let authority = start + scheme.len();
            self.authority = Some(authority..authority + slash);
            &rest[slash..]
        };
        check_path_and_query(path)
    }

    /// Reads a header, whose line begins at this place.
    fn field(&mut self, line: &[u8], start: usize) -> Result<(), Rule> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(Rule::Folded);
        }
        let colon = memchr(b':', line).ok_or(Rule::Field)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.len() > NAME || !is_token(name) {
            return Err(Rule::Field);
        }
        if !is_value(value) {
            return Err(Rule::FieldByte);
        }
        self.fields += 1;
        if self.fields > limits::HEADER_COUNT {
            return Err(Rule::HeaderSize);
        }
        self.meaning(name, value, start + colon + 1)
    }

    /// Remembers the headers that say where a request ends and whom it is for.
    fn meaning(&mut self, name: &[u8], value: &[u8], start: usize) -> Result<(), Rule> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is(b"host") => self.host(value, start)?,
            6 if is(b"expect") => {
                if !trim(value).eq_ignore_ascii_case(b"100-continue") {
                    return Err(Rule::Expectation);
                }
                self.expects_continue = true;
            }
            7 if is(b"upgrade") => {
                // Two protocols to choose from would be two readings.
                self.upgrade = Some(self.upgrade.is_none() && may_upgrade(trim(value)));
            }
            10 if is(b"connection") => {
                let mut options = value.split(|byte| *byte == b',').map(trim);
                self.connection_upgrade |= options.any(|option| option.eq_ignore_ascii_case(b"upgrade"));
            }
            14 if is(b"content-length") => {
                let length = length(value).filter(|_| self.length.is_none());
                self.length = Some(length.ok_or(Rule::ContentLength)?);
            }
            17 if is(b"transfer-encoding") => {
                if self.chunked || !one_space(value).eq_ignore_ascii_case(b"chunked") {
                    return Err(Rule::TransferEncoding);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn host(&mut self, value: &[u8], start: usize) -> Result<(), Rule> {
        let host = trim(value);
        if self.host.is_some() || !is_authority(host) {
            return Err(Rule::Host);
        }
        let blanks = value.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.host = Some(start + blanks..start + blanks + host.len());
        Ok(())
    }

    /// Checks what only the whole head shows.
    fn check(&self, bytes: &[u8]) -> Result<(), Rule> {
        if self.host.is_none() && !self.old {
            return Err(Rule::Host);
        }
        if let (Some(authority), Some(host)) = (&self.authority, &self.host)
            && bytes[authority.clone()] != bytes[host.clone()]
        {
            return Err(Rule::HostMismatch);
        }
        if self.chunked && self.length.is_some() {
            return Err(Rule::BothLengths);
        }
        if self.chunked && self.old {
            return Err(Rule::TransferEncoding);
        }
        Ok(())
    }

    /// What a whole head says.
    pub(super) fn request(&self) -> Request {
        Request {
            body: match self.length {
                _ if self.chunked => Body::Chunked,
                None | Some(0) => Body::None,
                Some(length) => Body::Length(length),
            },
            upgrade: self.upgrade == Some(true) && self.connection_upgrade && !self.old,
            expects_continue: self.expects_continue,
        }
    }
}

/// Whether bytes can be a host with a port; what they mean is for the one who reads them.
fn is_authority(bytes: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte);
    !bytes.is_empty() && bytes.iter().all(allowed)
}

/// What browsers and `curl` send unencoded in a query is let through; in a path it is not.
fn check_path_and_query(target: &[u8]) -> Result<(), Rule> {
    let end = memchr(b'?', target).unwrap_or(target.len());
    let never = |byte: &u8| !byte.is_ascii_graphic() || b"#<>".contains(byte);
    if target.iter().any(never) || target[..end].iter().any(|byte| b"\"\\^`{|}".contains(byte)) {
        return Err(Rule::TargetByte);
    }
    Ok(())
}

/// Without the one space that may be before it.
fn one_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

/// A number of at most 19 digits without zeros before it, which is what every language can read.
fn length(value: &[u8]) -> Option<u64> {
    let digits = one_space(value);
    let padded = digits.len() > 1 && digits.starts_with(b"0");
    if padded || digits.len() > DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length = std::str::from_utf8(digits).ok()?.parse::<i64>().ok()?;
    u64::try_from(length).ok()
}

/// Whether a protocol may take over the connection. HTTP/2 on top of a request would carry other requests past every
/// check; clients that offer it go on in HTTP/1.1.
fn may_upgrade(protocol: &[u8]) -> bool {
    let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
    let http = [b"h2c".as_slice(), b"h2", b"http"];
    is_token(name) && !protocol.contains(&b',') && !http.iter().any(|known| name.eq_ignore_ascii_case(known))
}
