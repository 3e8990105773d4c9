"use client";

import { useAuth } from "@clerk/nextjs";
import { useState } from "react";

export default function Token() {
  const { getToken, isLoaded } = useAuth();
  const [tokens, setTokens] = useState([]);
  const fetchOne = async () => {
    const token = await getToken({ skipCache: true });
    setTokens((all) => [...all, token]);
  };
  return (
    <main>
      <h1>Tokens</h1>
      <button disabled={!isLoaded} onClick={fetchOne}>
        Get a new one
      </button>
      <ol>
        {tokens.map((token, i) => (
          <li key={i} data-testid="token">
            {token}
          </li>
        ))}
      </ol>
    </main>
  );
}
