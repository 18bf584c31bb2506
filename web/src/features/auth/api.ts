import { api, dataOf, type SignedIn } from "@/lib/api";

export async function signIn(email: string, password: string): Promise<SignedIn> {
  return dataOf(await api.POST("/api/v1/auth/login", { body: { email, password } }));
}

/** Makes the first administrator. The token comes from the link in the terminal and works once. */
export async function setUp(body: { token: string; email: string; name: string; password: string }): Promise<SignedIn> {
  return dataOf(await api.POST("/api/v1/auth/setup", { body }));
}
