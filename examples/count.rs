//! scratch
use weir::exchange::*; use weir::pipeline::*; use weir::source::*;
#[global_allocator] static G: mimalloc::MiMalloc = mimalloc::MiMalloc;
struct C(u64,u64,u64);
impl Output for C { fn exchange(&mut self, e:&Exchange){ self.0+=1; self.1+=e.facts.response.map_or(0,|r|r.body_bytes)+e.facts.request.map_or(0,|r|r.body_bytes); if e.facts.state!=State::Complete {self.2+=1; if std::env::var("V").is_ok() {println!("{} {:?} {:?} {:?}", e.facts.start, e.facts.state, e.facts.anomalies.iter().collect::<Vec<_>>(), String::from_utf8_lossy(&e.request.head).lines().next())}} } }
fn main(){ let p=std::env::args().nth(1).unwrap(); let w:usize=std::env::args().nth(2).map_or(1,|x|x.parse().unwrap());
 let mut f=CaptureFile::open(p.as_ref()).unwrap();
 let heads = if std::env::args().nth(3).is_some(){Heads::Whole}else{Heads::StartLine};
 let o=run(&mut f,&Options{policy:Policy{heads,..Policy::default()},ports:None},None,&Watch::default(),(0..w).map(|_|C(0,0,0)).collect()).unwrap();
 let (mut n,mut b,mut x)=(0,0,0); for c in &o.outputs {n+=c.0;b+=c.1;x+=c.2}
 println!("{n} exchanges {b} body bytes {x} not complete {:?}", o.ledger); }
