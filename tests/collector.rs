//! A collector of spans for tests: reads requests by hand, decodes them with OpenTelemetry's own
//! types, and answers as it is told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message as _;

/// What a request is answered with; `None`: nothing, ever. An empty status ends the connection.
pub(crate) type Answer = Option<(&'static str, Vec<u8>)>;

/// One request: its head, and the spans in it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) spans: Vec<ResourceSpans>,
}

/// A collector that listens until the test ends.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Collector {
    /// Answers the n-th request as `answer` says: the status with further fields, and the body.
    pub(crate) fn start(answer: impl Fn(usize) -> Answer + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let into = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (into, answer) = (Arc::clone(&into), answer.clone());
                std::thread::spawn(move || serve(&stream, &into, &answer));
            }
        });
        Self { address, requests }
    }

    /// One that takes everything.
    pub(crate) fn willing() -> Self {
        Self::start(|_| Some(("200 OK", Vec::new())))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic").clone()
    }
}

fn serve(mut stream: &TcpStream, into: &Mutex<Vec<Request>>, answer: &impl Fn(usize) -> Answer) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match reader.read_line(&mut head) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        let length = field(&head, "content-length").expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        reader.read_exact(&mut body).expect("a body");
        let request = ExportTraceServiceRequest::decode(&*body).expect("protobuf");
        let number = {
            let mut requests = into.lock().expect("no panic");
            requests.push(Request { head, spans: request.resource_spans });
            requests.len() - 1
        };
        let Some((status, body)) = answer(number) else {
            // The connection stays open, and nothing is said.
            std::thread::park();
            continue;
        };
        if status.is_empty() {
            return;
        }
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}

/// The value of a field of a head.
pub(crate) fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
