use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use log::debug;

use super::Answer;

/// The longest head of a request.
const HEAD: usize = 8 << 10;
/// Header fields of a request.
const FIELDS: usize = 64;

/// One request, one answer.
pub(super) fn serve(stream: &TcpStream, respond: &dyn Fn(&str) -> Answer, life: Duration) {
    let end = Instant::now() + life;
    let answer = match read_head(stream, end) {
        Ok(Some(head)) => answer(&head, respond),
        Ok(None) => Answer::error(
            "431 Request Header Fields Too Large",
            "the request's head is too long",
        ),
        Err(error) => {
            debug!("metrics: no request: {error}");
            return;
        }
    };
    if let Err(error) = write(stream, &answer, end) {
        debug!("metrics: answer not sent: {error}");
    }
}

fn answer(head: &[u8], respond: &dyn Fn(&str) -> Answer) -> Answer {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(head);
    let (Ok(httparse::Status::Complete(_)), Some(method), Some(target)) =
        (parsed, request.method, request.path)
    else {
        return Answer::error("400 Bad Request", "this is no HTTP request");
    };
    if method != "GET" {
        return Answer::error("405 Method Not Allowed", "accepted: GET");
    }
    respond(target.split('?').next().unwrap_or_default())
}

/// What comes up to the empty line; `None`: too long.
fn read_head(mut stream: &TcpStream, end: Instant) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    loop {
        stream.set_read_timeout(Some(left(end)?))?;
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&piece[..count]);
        if head.windows(4).any(|four| four == b"\r\n\r\n") {
            return Ok(Some(head));
        }
        if head.len() > HEAD {
            return Ok(None);
        }
    }
}

fn write(mut stream: &TcpStream, answer: &Answer, end: Instant) -> io::Result<()> {
    let Answer {
        status,
        content_type,
        body,
    } = answer;
    let length = body.len();
    let allow = if status.starts_with("405") {
        "Allow: GET\r\n"
    } else {
        ""
    };
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         {allow}Connection: close\r\n\r\n{body}"
    );
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(end)?))?;
        match stream.write(rest)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => rest = &rest[count..],
        }
    }
    stream.shutdown(std::net::Shutdown::Write)
}

fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}
