import Model
import Testing

@Test(arguments: [
    ("127.0.0.1:80", "127.0.0.1:80"), ("[::1]:80", "[::1]:80"), ("[2001:DB8:0:0:0:0:0:1]:443", "[2001:db8::1]:443"),
    ("[::ffff:1.2.3.4]:1", "[::ffff:102:304]:1"), ("[1:0:0:2:0:0:0:3]:1", "[1:0:0:2::3]:1"), ("[::]:0", "[::]:0"),
])
func `addresses are read into one canonical text`(text: String, canonical: String) {
    #expect(SocketAddress(text)?.description == canonical)
}

@Test(arguments: [
    "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.01:80", "256.0.0.1:80", "localhost:80", "::1:80",
    "[::1]",
    "[1.2.3.4]:80", "[1::2::3]:80", "[12345::]:80", "[1:2:3:4:5:6:7]:80", "[:1:2:3:4:5:6:7]:80", "1.2.3:80", "[g::]:80",
])
func `what isn't an address isn't read as one`(text: String) {
    #expect(SocketAddress(text) == nil)
}

@Test func `ratios are exact`() {
    #expect(Ratio("0.5")?.numerator == 1)
    #expect(Ratio("0.5")?.denominator == 2)
    #expect(Ratio("1.250000") == Ratio("1.25"))
    #expect(Ratio("1000000") != nil)
    for text in [
        "", ".", "-1", "1e3", "1.", "0.0000001", "1000000.1", "1000001", "½", "1.2.3", "+1", "99999999999999999999",
    ] {
        #expect(Ratio(text) == nil, "\(text)")
    }
}

@Test func `weights start at 1`() {
    #expect(Weight(0) == nil)
    #expect(Weight(1) == .one)
    #expect(Weight(1_000_000)?.value == 1_000_000)
    #expect(Weight(1_000_001) == nil)
}
