//! The opening of an AMQP 0-9-1 connection: enough to know that a broker lets us in.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a broker may take for each step.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first frame of a broker lists what it can do; no real one is near this size.
const MAX_FRAME: usize = 128 * 1024;

const CONNECTION: u16 = 10;
const START: u16 = 10;
const START_OK: u16 = 11;
const TUNE: u16 = 30;
const TUNE_OK: u16 = 31;
const OPEN: u16 = 40;
const OPEN_OK: u16 = 41;
const CLOSE: u16 = 50;
const CLOSE_OK: u16 = 51;

/// Tells whether a broker at this port of the local host welcomes `guest` to its default host.
pub(crate) fn welcomes_guest(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let connection = TcpStream::connect_timeout(&address, PATIENCE).and_then(|stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    });
    connection.ok().is_some_and(|mut stream| open(&mut stream).is_some())
}

/// Walks through the opening and the orderly end of a connection.
fn open(stream: &mut (impl Read + Write)) -> Option<()> {
    stream.write_all(b"AMQP\x00\x00\x09\x01").ok()?;
    expect(stream, START)?;
    say(stream, START_OK, &start_ok())?;
    let tune = expect(stream, TUNE)?;
    // What the broker proposes for channels, frame size and heartbeat is fine.
    say(stream, TUNE_OK, tune.get(..8)?)?;
    say(stream, OPEN, b"\x01/\x00\x00")?;
    expect(stream, OPEN_OK)?;
    // Code 200, no text, and no method to blame.
    say(stream, CLOSE, b"\x00\xc8\x00\x00\x00\x00\x00")?;
    expect(stream, CLOSE_OK)?;
    Some(())
}

/// No properties of the client, PLAIN, guest with the password guest, `en_US`.
fn start_ok() -> Vec<u8> {
    let response = b"\0guest\0guest";
    let mut arguments = vec![0, 0, 0, 0];
    arguments.push(5);
    arguments.extend(b"PLAIN");
    arguments.extend(u32::try_from(response.len()).unwrap_or_default().to_be_bytes());
    arguments.extend(response);
    arguments.push(5);
    arguments.extend(b"en_US");
    arguments
}

/// Sends a method of the connection class.
fn say(stream: &mut impl Write, method: u16, arguments: &[u8]) -> Option<()> {
    stream.write_all(&frame(method, arguments)?).ok()
}

/// Builds a frame: type, channel, size, class, method, arguments, end.
fn frame(method: u16, arguments: &[u8]) -> Option<Vec<u8>> {
    let size = u32::try_from(arguments.len() + 4).ok()?;
    let mut frame = vec![1, 0, 0];
    frame.extend(size.to_be_bytes());
    frame.extend(CONNECTION.to_be_bytes());
    frame.extend(method.to_be_bytes());
    frame.extend(arguments);
    frame.push(0xCE);
    Some(frame)
}

/// Reads one frame and returns the arguments, if it is the method we wait for.
fn expect(stream: &mut impl Read, method: u16) -> Option<Vec<u8>> {
    let mut head = [0; 7];
    stream.read_exact(&mut head).ok()?;
    let [kind, _, _, a, b, c, d] = head;
    let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    if kind != 1 || !(4..=MAX_FRAME).contains(&size) {
        return None;
    }
    let mut rest = vec![0; size + 1];
    stream.read_exact(&mut rest).ok()?;
    if rest.pop() != Some(0xCE) {
        return None;
    }
    let arguments = rest.split_off(4);
    let [a, b] = CONNECTION.to_be_bytes();
    let [c, d] = method.to_be_bytes();
    (rest == [a, b, c, d]).then_some(arguments)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor};

    use super::*;

    /// A broker that says what it was told to say, and remembers what it heard.
    struct Broker {
        says: Cursor<Vec<u8>>,
        heard: Vec<u8>,
    }

    impl Broker {
        fn saying(frames: &[(u16, &[u8])]) -> Self {
            let frames = frames.iter().map(|(method, arguments)| frame(*method, arguments));
            let says = Cursor::new(frames.flat_map(Option::unwrap).collect());
            Self { says, heard: Vec::new() }
        }
    }

    impl Read for Broker {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.says.read(buffer)
        }
    }

    impl Write for Broker {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.heard.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const TUNE_ARGUMENTS: &[u8] = &[7, 255, 0, 2, 0, 0, 0, 60];

    #[test]
    fn a_welcome_leads_to_an_orderly_end() {
        let welcome: [(u16, &[u8]); 4] =
            [(START, b"properties"), (TUNE, TUNE_ARGUMENTS), (OPEN_OK, b"\0"), (CLOSE_OK, b"")];
        let mut broker = Broker::saying(&welcome);

        assert_eq!(open(&mut broker), Some(()));

        let close = frame(CLOSE, b"\x00\xc8\x00\x00\x00\x00\x00").unwrap();
        assert!(broker.heard.starts_with(b"AMQP\x00\x00\x09\x01"));
        assert!(broker.heard.ends_with(&close));
    }

    #[test]
    fn a_refusal_is_no_welcome() {
        let mut broker = Broker::saying(&[(START, b""), (CLOSE, b"ACCESS_REFUSED")]);
        assert_eq!(open(&mut broker), None);
    }

    #[test]
    fn something_else_that_listens_is_no_broker() {
        let says = Cursor::new(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
        let mut other = Broker { says, heard: Vec::new() };
        assert_eq!(open(&mut other), None);
    }
}
