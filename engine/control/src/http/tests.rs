use super::*;
use std::io::{Read, Write};
use std::time::Instant;

fn server(life: Duration) -> HttpServer {
    let respond = |path: &str| match path {
        "/metrics" => Answer::ok("text/plain", "x".repeat(1 << 20)),
        "/here" => Answer::ok("text/plain", "yes\n".into()),
        _ => Answer::not_found("no"),
    };
    let address = "127.0.0.1:0".parse().unwrap();
    HttpServer::bind_with(address, Arc::new(respond), life).unwrap()
}

fn say(server: &HttpServer, text: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    // An answer that comes before the whole request was read may end with a reset.
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn a_get_is_answered_and_the_connection_ends() {
    let server = server(LIFE);
    assert_eq!(
        say(&server, "GET /here?a=b HTTP/1.1\r\nHost: x\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\
         Connection: close\r\n\r\nyes\n"
    );
    let long = say(&server, "GET /metrics HTTP/1.0\r\n\r\n");
    assert!(long.len() > 1 << 20 && long.ends_with('x'));
}

#[test]
fn what_is_no_get_of_a_known_path_is_told_so() {
    let server = server(LIFE);
    let line = |text: &str| say(&server, text).lines().next().unwrap_or("").to_owned();
    assert_eq!(line("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found");
    assert_eq!(
        line("GET /../here HTTP/1.1\r\n\r\n"),
        "HTTP/1.1 404 Not Found"
    );
    assert_eq!(
        line("POST /here HTTP/1.1\r\n\r\n"),
        "HTTP/1.1 405 Method Not Allowed"
    );
    assert!(say(&server, "PUT / HTTP/1.1\r\n\r\n").contains("Allow: GET\r\n"));
    for bad in [
        "\r\n\r\n",
        "show_ha\r\n\r\n",
        "GET /\0 HTTP/1.1\r\n\r\n",
        "{}\r\n\r\n",
    ] {
        assert_eq!(line(bad), "HTTP/1.1 400 Bad Request", "{bad:?}");
    }
    let long = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(9000));
    let answer = line(&long);
    assert!(answer.is_empty() || answer.contains("431"), "{answer}");
}

#[test]
fn a_slow_client_is_let_go_and_others_are_served() {
    let server = server(Duration::from_millis(300));
    let begin = Instant::now();
    // one that says nothing, one that never reads, and drips
    let mut silent = TcpStream::connect(server.address()).unwrap();
    let mut deaf = TcpStream::connect(server.address()).unwrap();
    deaf.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let answer = say(&server, "GET /here HTTP/1.1\r\n\r\n");
    assert!(answer.ends_with("yes\n"), "{answer}");
    let mut drips = TcpStream::connect(server.address()).unwrap();
    while begin.elapsed() < Duration::from_secs(20) {
        if drips.write_all(b"G").is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "dripped for ever"
    );
    let mut nothing = String::new();
    assert!(silent.read_to_string(&mut nothing).is_ok() && nothing.is_empty());
}

#[test]
fn connections_are_bounded_and_places_come_back() {
    let server = server(Duration::from_millis(500));
    let mut all: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| TcpStream::connect(server.address()).unwrap())
        .collect();
    // the acceptor has to have taken them
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(say(&server, "GET /here HTTP/1.1\r\n\r\n"), "");
    all.clear();
    let begin = Instant::now();
    while !say(&server, "GET /here HTTP/1.1\r\n\r\n").ends_with("yes\n") {
        assert!(begin.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_taken_address_is_an_error_that_names_it() {
    let first = server(LIFE);
    let respond: Respond = Arc::new(|_: &str| Answer::not_found("no"));
    let error = HttpServer::bind(first.address(), respond).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cannot serve metrics at {}: ", first.address()))
            && text.ends_with("free port"),
        "{text}"
    );
    let address = first.address();
    drop(first);
    assert!(TcpStream::connect(address).is_err());
}
