// The sign-in forms and the user menu in this app's colours and type; light and dark come with the colours.
export const appearance = {
  variables: {
    colorBackground: "var(--c-paper)",
    colorForeground: "var(--c-ink)",
    colorMuted: "var(--c-page)",
    colorMutedForeground: "var(--c-soft)",
    colorPrimary: "var(--c-accent)",
    colorPrimaryForeground: "var(--c-on-accent)",
    colorInput: "var(--c-page)",
    colorInputForeground: "var(--c-ink)",
    colorNeutral: "var(--c-ink)",
    colorBorder: "var(--c-line)",
    colorRing: "var(--c-accent)",
    colorDanger: "var(--c-alarm)",
    fontFamily: "var(--font-geist-sans), ui-sans-serif, system-ui, sans-serif",
    fontSize: "1rem",
    borderRadius: "0.375rem",
  },
  elements: {
    badge: { color: "var(--c-ink)" },
    formFieldInput: { border: "1px solid var(--c-line)" },
    otpCodeFieldInput: { border: "1px solid var(--c-line)" },
  },
};
