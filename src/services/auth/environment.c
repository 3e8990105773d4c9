#include "services/auth/environment.h"

#include "core/json_write.h"

/* Places in the text: \1 and a letter. */
#define INSTANCE "\1I"    /* inside of a string */
#define APPLICATION "\1A" /* these are whole strings */
#define JS_VERSION "\1J"
#define HOME "\1H"
#define SIGN_IN "\1N"
#define SIGN_UP "\1U"
#define PARTITIONED "\1P"
#define HIDES_USERS "\1E"

#define ATTRIBUTE(name, enabled, required, first, factors, verify)                                           \
    "\"" name "\":{\"enabled\":" enabled ",\"required\":" required ",\"used_for_first_factor\":" first       \
    ",\"first_factors\":" factors                                                                            \
    ",\"used_for_second_factor\":false,\"second_factors\":[],\"verifications\":" factors                     \
    ",\"verify_at_sign_up\":" verify "}"
#define OPTIONAL(name) ATTRIBUTE(name, "true", "false", "false", "[]", "false")
#define OFF(name) ATTRIBUTE(name, "false", "false", "false", "[]", "false")

/* clang-format off */
static const char text[] =
    "{\"object\":\"environment\",\"id\":\"env_" INSTANCE "\","
    "\"auth_config\":{\"object\":\"auth_config\",\"id\":\"aconf_" INSTANCE "\",\"single_session_mode\":true,\"claimed_at\":null,"
    "\"reverification\":true,\"preferred_channels\":null},"

    "\"display_config\":{\"object\":\"display_config\",\"id\":\"display_config_" INSTANCE "\","
    "\"instance_environment_type\":\"development\",\"application_name\":" APPLICATION ","
    "\"theme\":{\"buttons\":{\"font_color\":\"#ffffff\",\"font_family\":\"sans-serif\",\"font_weight\":\"600\"},"
    "\"general\":{\"color\":\"#6c47ff\",\"padding\":\"1em\",\"box_shadow\":\"0 2px 8px rgba(0, 0, 0, 0.2)\","
    "\"font_color\":\"#151515\",\"font_family\":\"sans-serif\",\"border_radius\":\"0.5em\",\"background_color\":\"#ffffff\","
    "\"label_font_weight\":\"600\"},\"accounts\":{\"background_color\":\"#ffffff\"}},"
    "\"preferred_sign_in_strategy\":\"password\",\"logo_image_url\":\"\",\"favicon_image_url\":\"\",\"home_url\":" HOME ","
    "\"sign_in_url\":" SIGN_IN ",\"sign_up_url\":" SIGN_UP ",\"user_profile_url\":\"\",\"waitlist_url\":\"\","
    "\"after_sign_in_url\":\"\",\"after_sign_up_url\":\"\",\"after_sign_out_one_url\":\"\",\"after_sign_out_all_url\":\"\","
    "\"after_switch_session_url\":\"\",\"after_join_waitlist_url\":\"\",\"organization_profile_url\":\"\","
    "\"create_organization_url\":\"\",\"after_leave_organization_url\":\"\",\"after_create_organization_url\":\"\","
    "\"logo_link_url\":\"\",\"support_email\":null,\"branded\":false,\"clerk_js_version\":" JS_VERSION ","
    "\"show_devmode_warning\":false,\"google_one_tap_client_id\":null,\"help_url\":null,\"privacy_policy_url\":null,"
    "\"terms_url\":null,\"captcha_public_key\":null,\"captcha_widget_type\":null,\"captcha_public_key_invisible\":null,"
    "\"captcha_provider\":null,\"captcha_oauth_bypass\":[],\"captcha_heartbeat\":false},"

    "\"user_settings\":{\"attributes\":{"
    ATTRIBUTE("email_address", "true", "true", "true", "[\"email_code\"]", "true") ","
    ATTRIBUTE("password", "true", "true", "false", "[]", "false") ","
    OFF("phone_number") "," OFF("username") "," OFF("web3_wallet") "," OPTIONAL("first_name") "," OPTIONAL("last_name") ","
    OFF("authenticator_app") "," OFF("backup_code") "," OFF("passkey") "},"
    "\"sign_in\":{\"second_factor\":{\"required\":false,\"enabled\":false}},"
    "\"sign_up\":{\"captcha_enabled\":false,\"captcha_widget_type\":\"smart\",\"custom_action_required\":false,"
    "\"progressive\":true,\"mode\":\"public\",\"legal_consent_enabled\":false,\"allowlist_only\":false,\"mfa\":{\"required\":false}},"
    "\"password_settings\":{\"disable_hibp\":true,\"min_length\":8,\"max_length\":72,\"require_special_char\":false,"
    "\"require_numbers\":false,\"require_uppercase\":false,\"require_lowercase\":false,\"show_zxcvbn\":false,"
    "\"min_zxcvbn_strength\":0,\"enforce_hibp_on_sign_in\":false,"
    "\"allowed_special_characters\":\"!\\\"#$%&'()*+,-./:;<=>?@[]^_`{|}~\"},"
    "\"passkey_settings\":{\"allow_autofill\":false,\"show_sign_in_button\":false},"
    "\"username_settings\":{\"min_length\":4,\"max_length\":64},\"social\":{},\"saml\":{\"enabled\":false},"
    "\"enterprise_sso\":{\"enabled\":false,\"self_serve_sso\":false},"
    "\"actions\":{\"delete_self\":true,\"create_organization\":false,\"billing_action\":false},"
    "\"attack_protection\":{\"user_lockout\":{\"enabled\":true,\"max_attempts\":100,\"duration_in_minutes\":60},"
    "\"pii\":{\"enabled\":true},\"email_link\":{\"require_same_client\":true},\"enumeration_protection\":{\"enabled\":" HIDES_USERS "}}},"

    "\"organization_settings\":{\"enabled\":false,\"max_allowed_memberships\":5,\"force_organization_selection\":false,"
    "\"actions\":{\"admin_delete\":true},\"domains\":{\"enabled\":false,\"enrollment_modes\":[],\"default_role\":null},"
    "\"slug\":{\"disabled\":true},\"creator_role\":\"org:admin\",\"organization_creation_defaults\":{\"enabled\":false}},"
    "\"commerce_settings\":{\"object\":\"commerce_settings\",\"id\":\"cs_" INSTANCE "\",\"billing\":{\"stripe_publishable_key\":\"\","
    "\"free_trial_requires_payment_method\":true,\"organization\":{\"enabled\":false,\"has_paid_plans\":false},"
    "\"user\":{\"enabled\":false,\"has_paid_plans\":false}}},"
    "\"api_keys_settings\":{\"object\":\"api_keys_settings\",\"id\":\"aks_" INSTANCE "\",\"enabled\":false,"
    "\"user_api_keys_enabled\":false,\"orgs_api_keys_enabled\":false,\"show_in_user_profile\":false,\"show_in_org_profile\":false},"
    "\"fraud_settings\":{\"native\":{\"device_attestation_mode\":\"disabled\"}},"
    "\"protect_config\":{\"object\":\"protect_config\",\"id\":\"\",\"loaders\":[]},\"maintenance_mode\":false,"
    "\"client_debug_mode\":false,\"partitioned_cookies\":" PARTITIONED "}";
/* clang-format on */

static void place(vk_buf *out, char which, const vk_auth_environment *e)
{
    switch (which) {
    case 'I':
        vk_buf_str(out, e->instance);
        break;
    case 'A':
        vk_json_quote(out, e->application_name);
        break;
    case 'J':
        vk_json_quote(out, e->clerk_js_version);
        break;
    case 'H':
        vk_json_quote(out, e->home_url);
        break;
    case 'N':
        vk_json_quote(out, e->sign_in_url);
        break;
    case 'U':
        vk_json_quote(out, e->sign_up_url);
        break;
    case 'P':
        vk_buf_z(out, e->partitioned ? "true" : "false");
        break;
    case 'E':
        vk_buf_z(out, e->hides_users ? "true" : "false");
        break;
    default:
        abort(); /* the text above is ours */
    }
}

void vk_auth_environment_write(vk_buf *out, const vk_auth_environment *e)
{
    vk_str rest = {text, sizeof text - 1}, before;
    while (vk_str_cut(&rest, '\1', &before)) {
        vk_buf_str(out, before);
        place(out, rest.p[0], e);
        rest = (vk_str){rest.p + 1, rest.n - 1};
    }
    vk_buf_str(out, rest);
}
