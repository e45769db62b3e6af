use flagstone::*;
use ndarray::{Axis, arr1};

#[test]
fn affine_and_means() {
    let x = random::Generator::new(42).uniform::<f64>([1000, 700], [100, 90]);
    let v = x.compute().unwrap();
    assert!(v.iter().all(|&v| (0.0..1.0).contains(&v)));
    let y = 2.0 * &x + 1.0;
    let w = y.compute().unwrap();
    assert_eq!(w, v.mapv(|v| 2.0 * v + 1.0));
    let m = y.mean(0).compute().unwrap();
    let expect = w.mean_axis(Axis(0)).unwrap();
    for (a, b) in m.iter().zip(&expect) {
        assert!((a - b).abs() < 1e-12);
    }
    println!("{}", y.mean(0).explain().unwrap());
}

#[test]
fn various() {
    let x = Array::<f64>::arange(0.0, 24.0, 1.0, ..).reshape([2, 3, 4]);
    assert_eq!(x.sum(..).item().unwrap(), 276.0);
    assert_eq!(x.slice(s![1, .., ..;-1]).compute().unwrap()[[0, 0]], 15.0);
    let t = x.t().compute().unwrap();
    assert_eq!(t[[3, 2, 1]], 23.0);
    assert_eq!((&x - &x.mean(keep(0))).sum(..).item().unwrap(), 0.0);
    assert_eq!(x.roll(1, 2).compute().unwrap()[[0, 0, 0]], 3.0);
    let c = concatenate([&x, &(&x + 1.0)], 0);
    assert_eq!(c.sum((1, 2)).compute().unwrap(), arr1(&[66., 210., 78., 222.]).into_dyn());
    assert_eq!(c.ravel().slice(s![-1]).item().unwrap(), 24.0);
    let (a, b) = compute((x.std(0), x.mean(0))).unwrap();
    assert_eq!(a.sum(), 72.0);
    assert_eq!(b.sum(), 138.0);
    let mb = x.rechunk([1, 2, 2]).map_blocks(|b| b.mapv(|v| v * 2.0));
    assert_eq!(mb.sum(..).item().unwrap(), 552.0);
    let n: f64 = mb.blocks().map(|b| b.unwrap().values().sum()).sum();
    assert_eq!(n, 552.0);
    println!("{}", (&x - &x.mean(0)).square().sum(..).explain().unwrap());
}

#[test]
fn big() {
    let x = random::Generator::new(42).uniform::<f64>([10_000, 10_000], [1000, 1000]);
    let (m, r) = Engine::global().unwrap().measure(&x.mean(0)).unwrap();
    println!("{r:?} {}", m.sum());
    let (m, r) = Engine::global().unwrap().measure(&(2.0 * &x + 1.0)).unwrap();
    println!("{r:?} {}", m.sum());
    let z = x.compute().unwrap();
    let z = Array::from_ndarray(z, [1000, 1000]);
    for _ in 0..3 {
        for (name, y) in [("sum", z.sum(..)), ("mean0", z.mean(0)), ("mean1", z.mean(1)), ("std", z.std(..)), ("residual", (&z - &z.mean(0)).square().sum(..)), ("tsum", (&z+&z.t()).sum(..))] {
            let (_, r) = Engine::global().unwrap().measure(&y).unwrap();
            println!("{name} {r:?}");
        }
            let (_, r) = Engine::global().unwrap().measure(&(2.0*&z+1.0)).unwrap();
            println!("affine {r:?}");
    }
    println!("{}", z.mean(0).explain().unwrap());
}
