use std::{sync::mpsc, time::Instant};

use super::*;

/// An output that blocks until its gate is dropped, or that fails while it is told to.
#[derive(Clone)]
struct Out {
    written: Arc<Mutex<Vec<u8>>>,
    gate: Arc<Mutex<mpsc::Receiver<()>>>,
    failing: Arc<Mutex<Option<io::ErrorKind>>>,
}

impl Out {
    fn new() -> (Self, mpsc::Sender<()>) {
        let (gate, closed) = mpsc::channel();
        let out = Self {
            written: Arc::default(),
            gate: Arc::new(Mutex::new(closed)),
            failing: Arc::default(),
        };
        (out, gate)
    }

    fn lines(&self) -> Vec<String> {
        let written = self.written.lock().unwrap();
        let text = String::from_utf8(written.clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.gate.lock().unwrap().recv();
        if let Some(kind) = *self.failing.lock().unwrap() {
            return Err(kind.into());
        }
        self.written.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn queue(out: Out) -> (Arc<LogQueue>, thread::JoinHandle<()>) {
    let queue = Arc::new(LogQueue::default());
    let of_thread = queue.clone();
    (queue, thread::spawn(move || of_thread.write_to(out)))
}

/// Returns how many lines were lost, according to this line.
fn told(line: &str) -> Option<usize> {
    let (before, _) = line.split_once(" of this log were lost")?;
    let mut words = before.rsplit(' ').skip(1);
    words.next()?.parse().ok()
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn what_finds_no_room_is_counted_and_said_where_it_is_missing() {
    let (out, gate) = Out::new();
    let (queue, thread) = queue(out.clone());
    let line = |n: usize| format!("{n} {}\n", "x".repeat(200)).into_bytes();
    let many = 3 * ROOM / 200;
    for n in 0..many {
        queue.push(line(n));
    }
    assert!(queue.lock().bytes <= ROOM);
    drop(gate);
    queue.push(line(many));
    queue.finish(LONG);
    thread.join().unwrap();
    let lines = out.lines();
    let lost: usize = lines.iter().filter_map(|line| told(line)).sum();
    let kept: Vec<usize> = lines
        .iter()
        .filter(|line| told(line).is_none())
        .map(|line| line.split_once(' ').unwrap().0.parse().unwrap())
        .collect();
    assert!(lost > many / 2, "{lost} of {many}");
    assert_eq!(kept.len() + lost, many + 1);
    assert!(kept.is_sorted());
    // One line stands for many, in the place of the missing lines.
    let place = lines.iter().position(|line| told(line).is_some()).unwrap();
    assert!(
        lines[place].contains("was not read fast enough"),
        "{}",
        lines[place]
    );
    assert!(kept[..place].iter().copied().eq(0..place));
    assert!(lines.iter().filter(|line| told(line).is_some()).count() <= 2);
}

#[test]
fn what_cannot_be_written_is_said_when_it_can_be_again() {
    let (out, gate) = Out::new();
    drop(gate);
    *out.failing.lock().unwrap() = Some(io::ErrorKind::StorageFull);
    let (queue, thread) = queue(out.clone());
    for n in 0..7 {
        queue.push(format!("{n}\n").into_bytes());
    }
    let mut state = queue.lock();
    while !state.lines.is_empty() || state.writing.is_some() {
        state = queue.written.wait(state).unwrap();
    }
    drop(state);
    *out.failing.lock().unwrap() = None;
    queue.push(b"good\n".to_vec());
    queue.finish(LONG);
    thread.join().unwrap();
    let lines = out.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(told(&lines[0]), Some(7), "{}", lines[0]);
    let no_room = io::Error::from(io::ErrorKind::StorageFull).to_string();
    assert!(lines[0].ends_with(&no_room), "{}", lines[0]);
    assert_eq!(lines[1], "good");
}

#[test]
fn the_end_does_not_wait_for_a_reader_that_does_not_read() {
    let (out, gate) = Out::new();
    let (queue, thread) = queue(out.clone());
    queue.push(b"one\n".to_vec());
    let start = Instant::now();
    queue.finish(Duration::from_millis(20));
    assert!(start.elapsed() < LONG);
    assert!(out.lines().is_empty());
    drop(gate);
    thread.join().unwrap();
    assert_eq!(out.lines(), ["one"]);
}

#[test]
fn an_output_that_takes_a_part_or_nothing_now_gets_the_rest_later() {
    struct Slow(Vec<u8>, usize);
    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            match self.1 % 3 {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                1 => Err(io::ErrorKind::Interrupted.into()),
                _ => {
                    self.0.push(bytes[0]);
                    Ok(1)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut out = Slow(Vec::new(), 0);
    write_line(&mut out, b"line\n").unwrap();
    assert_eq!(out.0, b"line\n");
}
